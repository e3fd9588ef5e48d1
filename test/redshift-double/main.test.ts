/** The double as a process: it says where it is, arms faults on request, and leaves when told or left alone. */
import t from 'tap';
import pg from 'pg';
import { startDoubleProcess } from './double-process.js';

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

t.test('serves, cuts the answer of a COMMIT on request, and ends on SIGTERM', async (t) => {
  const double = await startDoubleProcess(t);
  const client = await connected(double.url);
  await client.query('CREATE TABLE t (id INTEGER)');
  await double.arm('dropAnswerOfCommit');
  await client.query('BEGIN');
  await client.query('INSERT INTO t VALUES (1)');
  await t.rejects(client.query('COMMIT'), /terminated|closed|ECONNRESET/);
  const again = await connected(double.url);
  t.equal(
    (await again.query<{ count: string }>('SELECT count(*) AS "count" FROM t')).rows[0]?.count,
    '1',
    'it was carried out',
  );
  await double.arm('dropBeforeCommit');
  await again.query('BEGIN');
  await again.query('INSERT INTO t VALUES (2)');
  await t.rejects(again.query('COMMIT'));
  const last = await connected(double.url);
  t.equal((await last.query<{ count: string }>('SELECT count(*) AS "count" FROM t')).rows[0]?.count, '1', 'it was not');
  await last.end();
  t.equal(await double.end('SIGTERM'), 0);
});

t.test('ends when its input is closed, as when the test that started it was killed', async (t) => {
  const double = await startDoubleProcess(t);
  t.equal(await double.end('stdin'), 0);
});

// Found by the torture: SEED=94c9ba79, "sessions ended", where rs-copy was told of an internal error.
t.test('the server behind ends every session: dead connections, and new ones that work', async (t) => {
  const double = await startDoubleProcess(t);
  const client = await connected(double.url);
  await client.query('CREATE TABLE t (id INTEGER)');
  const behind = await connected(double.behind);
  await behind.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await behind.end();
  await t.rejects(client.query('SELECT count(*) FROM t'), /terminated|closed|ECONNRESET/);
  const again = await connected(double.url);
  await again.query('INSERT INTO t VALUES (1)');
  await again.end();
});
