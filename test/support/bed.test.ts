/** The servers of the test bed: what they promise under SIGKILL, and that they leave nothing. */
import { existsSync, mkdtempSync, readdirSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import t from 'tap';
import { cached } from './cache.js';
import { startMariaDb } from './mariadb.js';
import { answers, freePort } from './port.js';
import { startPostgres } from './postgres.js';
import { startSshd } from './sshd.js';

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'bed-test-'));
chmodSync(folder, 0o755);
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const say = (): void => {};

t.test('MariaDB keeps every commit through SIGKILL, on the same port', async (t) => {
  const server = await startMariaDb({ folder: join(folder, 'mysql'), say });
  t.teardown(() => server.stop());
  const before = await createConnection(server.url);
  before.on('error', () => {});
  await before.query('CREATE TABLE kept (id INT PRIMARY KEY)');
  for (let id = 1; id <= 100; id += 1) await before.query('INSERT INTO kept VALUES (?)', [id]);
  await server.kill();
  before.destroy();
  t.same(server.pids(), []);
  t.notOk(await answers(server.port));
  await server.restart();
  const after = await createConnection(server.url);
  const [rows] = await after.query('SELECT COUNT(*) AS n FROM kept');
  t.match(rows, [{ n: 100 }]);
  await after.end();
});

t.test('PostgreSQL keeps every commit through SIGKILL, on the same port', async (t) => {
  const server = await startPostgres({ folder: join(folder, 'warehouse'), say });
  t.teardown(() => server.stop());
  const before = new pg.Client({ connectionString: server.url });
  before.on('error', () => {});
  await before.connect();
  await before.query('CREATE TABLE kept AS SELECT generate_series(1, 100000) AS id');
  await server.kill();
  await server.restart();
  const after = new pg.Client({ connectionString: server.url });
  await after.connect();
  t.match((await after.query('SELECT COUNT(*)::int AS n FROM kept')).rows, [{ n: 100_000 }]);
  await after.end();
});

t.test('sshd listens as a process without rights, and stops', async (t) => {
  const server = await startSshd({ folder: join(folder, 'ssh'), say });
  t.ok(await answers(server.port));
  t.match(server.hostLine, /^\[127\.0\.0\.1\]:[0-9]+ ssh-ed25519 /);
  await server.stop();
  t.ok(await closes(server.port));
});

/** The kernel takes a moment to close the sockets of a killed process on a busy machine; 5 s is long beyond that. */
async function closes(port: number): Promise<boolean> {
  for (let waited = 0; waited < 5_000; waited += 20) {
    if (!(await answers(port))) return true;
    await pause(20);
  }
  return false;
}

t.test('a port is below the range the kernel takes source ports from', async (t) => {
  for (let round = 0; round < 20; round += 1) t.ok((await freePort(64)) + 63 < 32_768);
});

t.test('two builds of one cached folder at once: one result, whole, and no remains', async (t) => {
  const { TABLEPIPE_CACHE } = process.env;
  process.env.TABLEPIPE_CACHE = join(folder, 'cache');
  t.teardown(() => {
    delete process.env.TABLEPIPE_CACHE;
    if (TABLEPIPE_CACHE !== undefined) process.env.TABLEPIPE_CACHE = TABLEPIPE_CACHE;
  });
  let builds = 0;
  const build = async (): Promise<void> => {
    builds += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
  };
  const both = await Promise.all([cached('thing', build), cached('thing', build)]);
  t.equal(both[0], both[1]);
  t.equal(builds, 2);
  t.same(readdirSync(join(folder, 'cache')), ['thing']);
  const failing = cached('broken', async () => {
    throw new Error('no network');
  });
  await t.rejects(failing, { message: 'no network' });
  t.notOk(existsSync(join(folder, 'cache/broken')));
  t.same(readdirSync(join(folder, 'cache')), ['thing']);
});
