/** Sessions whose silence is watched, on a real PostgreSQL: what is long and honest survives, what is dead does not. */
import pg from 'pg';
import t from 'tap';
import { POSTGRES_BACKEND } from '../../src/load/backend.js';
import { openSession } from '../../src/load/session.js';
import type { Session } from '../../src/load/warehouse.js';
import { servers } from '../support/servers.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const warehouse = new URL(servers().warehouseUrl);
const proxy = await startTcpProxy({ to: Number(warehouse.port), host: warehouse.hostname });
t.teardown(() => proxy.close());
[warehouse.hostname, warehouse.port] = ['127.0.0.1', String(proxy.port)];

const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: warehouse.href, connectionTimeoutMillis: 1_000 });
  client.on('error', () => {});
  await client.connect();
  return client;
};

/** With an idle limit of a quarter of a second. */
const open = (): Promise<Session> =>
  openSession({ connect, words: POSTGRES_BACKEND, idleMs: 250, signal: new AbortController().signal });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

t.test('a statement that works for longer than the limit is left alone', async (t) => {
  const session = await open();
  const before = proxy.accepted;
  t.same(await session.read('SELECT pg_sleep(2) IS NULL AS slept'), [{ slept: false }]);
  t.ok(proxy.accepted - before >= 3, 'and was asked after');
  await session.end();
});

t.test('so is one that waits for a lock', async (t) => {
  const [holder, waiter] = [await open(), await open()];
  await holder.write('BEGIN');
  await holder.read('SELECT pg_advisory_xact_lock($1)', [process.pid]);
  const waiting = waiter.read('SELECT pg_advisory_lock($1) IS NULL AS locked', [process.pid]);
  await pause(1_500);
  await holder.write('COMMIT');
  t.same(await waiting, [{ locked: false }]);
  for (const session of [holder, waiter]) await session.end();
});

t.test('a COPY whose source is slow waits for its source, and nobody asks', async (t) => {
  const session = await open();
  await session.write('CREATE TEMPORARY TABLE slow (word text)');
  const before = proxy.accepted;
  async function* slow(): AsyncGenerator<Uint8Array> {
    for (const word of ['one\n', 'two\n']) {
      await pause(1_000);
      yield Buffer.from(word);
    }
  }
  t.equal(await session.copyIn('COPY slow FROM STDIN', slow()), 2);
  t.equal(proxy.accepted, before);
  await session.end();
});

t.test('a connection that nothing passes through any more is given up, and its locks are released', async (t) => {
  const session = await open();
  await session.write('BEGIN');
  await session.read('SELECT pg_advisory_xact_lock($1)', [process.pid]);
  proxy.stallAll();
  await t.rejects(session.write('SELECT 1'), { kind: 'temporary', message: /the server waits for us/ });
  t.notOk(session.alive);
  await session.end();
  const next = await open();
  const found = await next.read('SELECT pg_try_advisory_lock($1) AS free', [process.pid]);
  t.same(found, [{ free: true }]);
  await next.end();
});

t.test('a session that is silent while it says goodbye is left', async (t) => {
  const session = await open();
  proxy.stallAll();
  const began = Date.now();
  await session.end();
  t.ok(Date.now() - began < 5_000);
});

t.test('behind a pooler nothing is said about a process that may not be ours', async (t) => {
  const pooled = async (): Promise<pg.Client> => Object.assign(await connect(), { processID: 1 });
  const { signal } = new AbortController();
  const session = await openSession({ connect: pooled, words: POSTGRES_BACKEND, idleMs: 250, signal });
  t.same(await session.read('SELECT pg_sleep(1) IS NULL AS slept'), [{ slept: false }]);
  const lost = session.read('SELECT 1');
  proxy.refuse();
  await t.rejects(lost);
  proxy.resume();
  await session.end();
});
