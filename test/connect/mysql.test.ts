/** Connections to a server of our own: what a session is set to, TLS with certificates, and a restart in the middle. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import t from 'tap';
import { AUTHORITY, SERVER, SERVER_KEY, STRANGER } from '../fixture/certificates.js';
import { taken } from '../plan/scratch.js';
import { startMariaDb } from '../support/mariadb.js';
import { type Ended, collected, run, start } from '../support/program.js';
import { servers } from '../support/servers.js';

t.setTimeout(200_000);
const folder = mkdtempSync(join(tmpdir(), 'tablepipe-tls-'));
chmodSync(folder, 0o755);
const pem = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const certificate = [`--ssl-cert=${pem('server.pem', SERVER)}`, `--ssl-key=${pem('server.key', SERVER_KEY)}`];
const authority = pem('authority.pem', AUTHORITY);
const stranger = pem('stranger.pem', STRANGER);
const server = await startMariaDb({ folder: join(folder, 'server'), say: () => {}, options: certificate });
t.teardown(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});
const source = await createConnection({ uri: server.url });
await source.query('CREATE TABLE shop.long_ (id INT PRIMARY KEY, pad VARCHAR(250) NOT NULL)');
await source.query("INSERT INTO shop.long_ SELECT seq, REPEAT('ä', 100) FROM shop.seq_1_to_30000");
await source.end();
/** 32 MB. */
const WIDE = 'SELECT a.id * 4 + b.id AS id, a.pad FROM shop.long_ a JOIN shop.long_ b ON b.id < 5';
const WHOLE = Array.from({ length: 30_000 }, (_, index) => index + 1);

function extract(words: readonly string[], host = '127.0.0.1'): Promise<Ended> {
  const url = new URL(server.url);
  url.hostname = host;
  return run('mysql-extract', [...words, '--format', 'ndjson'], {
    env: { TABLEPIPE_MYSQL_URL: url.href, HOME: folder },
  });
}

/** One row of a query. */
async function asked(query: string, words: readonly string[], host?: string): Promise<Record<string, unknown>> {
  const ended = await extract(['q', '--query', query, ...words], host);
  return ended.code === 0 ? (taken(ended.stdout.toString()).rows[0] ?? {}) : { code: ended.code, stderr: ended.stderr };
}

t.test('the session is settled before anything is read', async (t) => {
  const names = ['time_zone', 'sql_mode', 'net_write_timeout', 'net_read_timeout', 'wait_timeout', 'lock_wait_timeout'];
  const all = [...names, 'max_statement_time', 'tx_isolation', 'character_set_results'];
  const query = `SELECT ${all.map((name) => `CAST(@@session.${name} AS CHAR) AS ${name}`).join(', ')}`;
  t.same(await asked(query, ['--lock-timeout', '7s']), {
    time_zone: '+00:00',
    sql_mode: 'NO_ENGINE_SUBSTITUTION',
    net_write_timeout: '86400',
    net_read_timeout: '86400',
    wait_timeout: '604800',
    lock_wait_timeout: '7',
    max_statement_time: '0.000000',
    tx_isolation: 'READ-COMMITTED',
    character_set_results: 'utf8mb4',
  });
});

const CIPHER =
  "SELECT VARIABLE_VALUE AS cipher FROM information_schema.session_status WHERE VARIABLE_NAME = 'SSL_CIPHER'";

t.test('TLS: encrypted where the server can, verified where it is asked for', async (t) => {
  t.match(await asked(CIPHER, []), { cipher: /^TLS_/ }, 'preferred is the default');
  t.same(await asked(CIPHER, ['--ssl-mode', 'disabled']), { cipher: '' });
  t.match(await asked(CIPHER, ['--ssl-mode', 'required']), { cipher: /^TLS_/ });
  t.match(await asked(CIPHER, ['--ssl-ca', authority]), { cipher: /^TLS_/ }, 'an authority implies verify-ca');
  const identity = ['--ssl-mode', 'verify-identity', '--ssl-ca', authority];
  t.match(await asked(CIPHER, identity, 'localhost'), { cipher: /^TLS_/ });
  for (const [words, host] of [
    [['--ssl-ca', stranger], '127.0.0.1'],
    [['--ssl-mode', 'verify-ca'], '127.0.0.1'],
    [['--ssl-mode', 'verify-identity', '--ssl-ca', stranger], 'localhost'],
    [identity, '127.0.0.1'],
  ] as const) {
    t.match(
      await asked(CIPHER, words, host),
      { code: 77, stderr: /--ssl-ca|--ssl-mode/ },
      `${words.join(' ')} at ${host}`,
    );
  }
  t.match(await asked(CIPHER, ['--ssl-ca', join(folder, 'absent.pem')]), { code: 66 });
});

t.test('a server without TLS: preferred goes without, required is refused', async (t) => {
  const words = ['q', '--query', CIPHER, '--format', 'ndjson', '--ssl-mode'];
  const around = { env: { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: folder } };
  const [preferred, required] = [
    await run('mysql-extract', [...words, 'preferred'], around),
    await run('mysql-extract', [...words, 'required'], around),
  ];
  t.equal(preferred.code, 0, preferred.stderr);
  t.match(required, { code: 78, stderr: /has no TLS/ });
});

t.test('the same rows over TLS and without it', async (t) => {
  for (const mode of ['required', 'disabled']) {
    const { code, stdout, stderr } = await extract(['shop.long_', '--cursor', 'none', '--ssl-mode', mode]);
    t.equal(code, 0, stderr);
    const { rows } = taken(stdout.toString());
    t.same(
      rows.map((row) => row.id),
      WHOLE,
      mode,
    );
    t.ok(rows.every((row) => row.pad === 'ä'.repeat(100)));
  }
});

t.test('a reader that takes nothing for longer than the server waits by itself', async (t) => {
  const root = await createConnection({ uri: server.url });
  await root.query('SET GLOBAL net_write_timeout = 1');
  t.teardown(async () => {
    await root.query('SET GLOBAL net_write_timeout = DEFAULT');
    await root.end();
  });
  const around = { env: { TABLEPIPE_MYSQL_URL: server.url, HOME: folder } };
  // One statement of more than the sockets and the pipe hold.
  const child = start('mysql-extract', ['q', '--query', WIDE, '--format', 'ndjson'], around);
  await once(child.stdout as NodeJS.ReadableStream, 'readable');
  await sleep(5_000);
  const { code, stdout, stderr } = await collected(child, 'mysql-extract');
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /lost the connection/);
  t.equal(taken(stdout.toString()).rows.length, 120_000);
});

t.test('the server is killed and starts again in the middle: a pause', async (t) => {
  const words = ['shop.long_', '--cursor', 'none', '--format', 'ndjson', '--batch-size', '5000'];
  const env = { TABLEPIPE_MYSQL_URL: server.url, HOME: folder };
  const slow = { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: 'mysql-extract.after-page=delay:1000@2' };
  for (const down of [() => server.kill(), () => server.stop()]) {
    const child = start('mysql-extract', words, { env: slow });
    const ended = collected(child, 'mysql-extract');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    await down();
    await server.restart();
    const { code, stdout, stderr } = await ended;
    t.equal(code, 0, stderr);
    t.same(
      taken(stdout.toString()).rows.map((row) => row.id),
      WHOLE,
    );
    t.match(stderr, /lost the connection .* going on after the last row/);
  }
});
