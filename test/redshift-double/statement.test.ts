/** Rules 55 to 63 and 65 of reference/redshift.md section 7: statements, functions, locks and transactions. */
import t, { type Test } from 'tap';
import { type Cluster, startCluster } from './cluster.js';

const cluster: Cluster = await startCluster(t);
await cluster.sql('CREATE TABLE t (id INTEGER, word VARCHAR(8))');
await cluster.sql('CREATE TABLE u (id INTEGER, n INTEGER)');

async function refuses(t: Test, code: RegExp, ...statements: string[]): Promise<void> {
  for (const text of statements) t.match((await cluster.refusal(text)).code, code, text.slice(0, 120));
}

/** Resolves to `waits` when the statement has not ended after a moment. */
async function outcome(pending: Promise<unknown>): Promise<string> {
  const moment = new Promise<string>((resolve) => setTimeout(() => resolve('waits'), 300));
  return Promise.race([
    pending.then(
      () => 'done',
      (error: Error) => error.message,
    ),
    moment,
  ]);
}

t.test('55. what PostgreSQL has and Redshift has not', async (t) => {
  await refuses(
    t,
    /^(42601|0A000|42883|XX000)$/,
    "INSERT INTO t VALUES (1, 'a') ON CONFLICT DO NOTHING",
    "INSERT INTO t VALUES (1, 'a') RETURNING id",
    'DELETE FROM t RETURNING id',
    'SELECT * FROM t FOR UPDATE',
    'SELECT * FROM t FOR SHARE',
    'SELECT count(*) FILTER (WHERE id > 1) FROM t',
    'SELECT pg_advisory_lock(1)',
    'SELECT pg_try_advisory_xact_lock(1)',
    'SELECT pg_sleep(1)',
    'SELECT array_agg(id) FROM t',
    "SELECT string_agg(word, ',') FROM t",
    'SELECT ARRAY[1, 2]',
    'SELECT ROW(1, 2)',
    'VALUES (1)',
    'SELECT * FROM (VALUES (1)) AS v',
    'SELECT DISTINCT ON (id) id FROM t',
    'SELECT * FROM t WHERE id IS DISTINCT FROM 1',
    'SELECT id, generate_series(1, 3) FROM t',
    "INSERT INTO t VALUES ((SELECT 1), 'a')",
    'LISTEN channel',
  );
  t.equal(await cluster.value('SELECT count(*) FROM generate_series(1, 3)'), '3', 'alone it runs on the leader');
  for (const text of ['SAVEPOINT s', 'ROLLBACK TO SAVEPOINT s', 'RELEASE SAVEPOINT s']) {
    await cluster.sql('BEGIN');
    t.match((await cluster.refusal(text)).code, /^(0A000|42601)$/, text);
    await cluster.sql('ROLLBACK');
  }
});

t.test('56. NOW() and its kind beside a table; GETDATE() and SYSDATE anywhere', async (t) => {
  t.match(await cluster.value('SELECT NOW()'), /^\d{4}-/);
  for (const now of ['NOW()', 'CURRENT_TIMESTAMP', 'LOCALTIMESTAMP']) {
    t.match(
      await cluster.refusal(`SELECT id, ${now} FROM t`),
      { code: '0A000', message: /not supported on Redshift tables/ },
      now,
    );
  }
  t.match(await cluster.refusal('INSERT INTO u SELECT id, 1 FROM t WHERE NOW() IS NULL'), { code: '0A000' });
  await cluster.sql('CREATE TABLE moments (a TIMESTAMP DEFAULT SYSDATE, b TIMESTAMP)');
  await cluster.sql('INSERT INTO moments (b) SELECT GETDATE()');
  await cluster.sql('UPDATE moments SET a = SYSDATE, b = GETDATE()');
  await cluster.sql('BEGIN');
  const first = await cluster.value('SELECT SYSDATE');
  t.equal(await cluster.value('SELECT SYSDATE'), first, 'SYSDATE is when the transaction began');
  await cluster.sql('ROLLBACK');
});

t.test('57. DELETE with USING needs FROM', async (t) => {
  await cluster.sql('DELETE FROM t USING u WHERE t.id = u.id');
  await cluster.sql('DELETE t');
  t.match(await cluster.refusal('DELETE t USING u WHERE t.id = u.id'), { code: '42601' });
  await cluster.sql('WITH gone AS (SELECT id FROM u) DELETE FROM t USING gone WHERE t.id = gone.id');
});

t.test('58. writers of one table wait for each other; 1023 and deadlocks on demand', async (t) => {
  const other = await cluster.session();
  await cluster.sql('BEGIN');
  await cluster.sql("INSERT INTO t VALUES (1, 'a')");
  const waiting = cluster.sql("INSERT INTO t VALUES (2, 'b')", other);
  t.equal(await outcome(waiting), 'waits');
  const reader = await cluster.session();
  t.equal(await cluster.value('SELECT count(*) FROM t', reader), '0', 'readers do not wait');
  await cluster.sql('INSERT INTO u VALUES (1, 1)');
  await cluster.sql('COMMIT');
  await waiting;
  t.equal(await cluster.value('SELECT count(*) FROM t'), '2');

  const { faults } = cluster.double;
  const violation = { code: 'XX000', message: '1023', detail: /^Serializable isolation violation on table - \d+/ };
  faults.inject1023();
  t.match(await cluster.refusal("INSERT INTO t VALUES (3, 'c')"), violation);
  faults.inject1023AtCommit();
  await cluster.sql('BEGIN');
  await cluster.sql("INSERT INTO t VALUES (3, 'c')");
  t.match(await cluster.refusal('COMMIT'), violation);
  faults.injectDeadlock();
  t.match(await cluster.refusal('DELETE FROM t'), { code: '40P01', message: /deadlock/ });
  t.same(faults.fired, { inject1023: 1, inject1023AtCommit: 1, injectDeadlock: 1 });
  t.equal(await cluster.value('SELECT count(*) FROM t'), '2', 'and none of them changed a thing');
  t.ok(
    cluster.double.log().some(({ verb, outcome }) => verb === 'delete' && outcome === '40P01'),
    'logged',
  );

  await cluster.sql('BEGIN');
  await cluster.value('SELECT count(*) FROM u');
  await cluster.sql('UPDATE u SET n = 2', other);
  t.match(await cluster.refusal('UPDATE u SET n = 3'), violation, 'a row changed since the snapshot');
  await cluster.sql('ROLLBACK');
});

t.test('59. LOCK is ACCESS EXCLUSIVE, without modes', async (t) => {
  await refuses(t, /^42601$/, 'LOCK t IN SHARE MODE', 'LOCK TABLE t IN ACCESS EXCLUSIVE MODE', 'LOCK t NOWAIT');
  await refuses(t, /^25P01$/, 'LOCK t');
  const other = await cluster.session();
  await cluster.sql('BEGIN');
  await cluster.sql('LOCK TABLE t, u');
  const waiting = cluster.value('SELECT count(*) FROM t', other);
  t.equal(await outcome(waiting), 'waits', 'readers wait for it');
  await cluster.sql("INSERT INTO t VALUES (9, 'nine')");
  await cluster.sql('COMMIT');
  t.equal(await waiting, '3');

  await cluster.sql('BEGIN');
  await cluster.sql('LOCK t');
  const second = (async () => {
    await cluster.sql('BEGIN', other);
    await cluster.sql('LOCK t', other);
    const seen = await cluster.value('SELECT count(*) FROM t', other);
    await cluster.sql('COMMIT', other);
    return seen;
  })();
  await cluster.sql("INSERT INTO t VALUES (10, 'ten')");
  t.equal(await outcome(second), 'waits');
  await cluster.sql('COMMIT');
  t.equal(await second, '4', 'the snapshot is taken after the lock, so the one who waited sees the other');
});

t.test('60. isolation levels are names; the snapshot is the first statement', async (t) => {
  const other = await cluster.session();
  for (const level of ['SERIALIZABLE', 'SNAPSHOT', 'REPEATABLE READ', 'READ COMMITTED', 'READ UNCOMMITTED']) {
    await cluster.sql(`BEGIN ISOLATION LEVEL ${level}`);
    await cluster.sql('INSERT INTO u VALUES (7, 7)', other);
    const before = await cluster.value('SELECT count(*) FROM u');
    await cluster.sql('INSERT INTO u VALUES (8, 8)', other);
    t.equal(await cluster.value('SELECT count(*) FROM u'), before, level);
    await cluster.sql('COMMIT');
  }
  await cluster.sql('START TRANSACTION READ ONLY');
  t.match((await cluster.refusal('INSERT INTO u VALUES (1, 1)')).code, '25006');
  await cluster.sql('ROLLBACK');
  await refuses(t, /^42601$/, 'BEGIN DEFERRABLE', 'COMMIT AND CHAIN');
});

t.test('61. a statement holds 16,777,216 bytes at most', async (t) => {
  const text = (bytes: number): string => `SELECT '${'x'.repeat(bytes - 9)}'`;
  t.match(await cluster.refusal(text(16_777_217)), {
    code: '42601',
    message: 'Statement is too large. Statement Size: 16777217 bytes. Maximum Allowed: 16777216 bytes',
  });
  t.match(await cluster.refusal(`SELECT '${'ü'.repeat(8_400_000)}'`), { message: /Statement is too large/ }, 'bytes');
  t.equal((await cluster.value(text(1_000_000)))?.length, 1_000_000 - 9);
});

t.test('62. it says it is PostgreSQL 8.0.2 and Redshift', async (t) => {
  t.match(await cluster.value('SELECT version()'), /^PostgreSQL 8\.0\.2 on .*, Redshift 1\.0\.\d+/);
  t.equal(await cluster.value('SHOW server_version'), '8.0.2');
  const { fields } = await cluster.client.query("SELECT JSON_PARSE('1') AS s, 'x'::VARCHAR(5) AS v, 1 AS i");
  t.same(
    fields.map((field) => field.dataTypeID),
    [4000, 1043, 23],
  );
});

t.test('63. INSERT: bytes, overflow, rounding', async (t) => {
  await cluster.sql(
    'CREATE TABLE inserted (word VARCHAR(4), amount DECIMAL(5,2), big DECIMAL(19,0), bytes VARBYTE(2))',
  );
  t.match(await cluster.refusal("INSERT INTO inserted (word) VALUES ('üüü')"), {
    code: '22001',
    message: 'value too long for type character varying(4)',
  });
  t.match(await cluster.refusal('INSERT INTO inserted (amount) VALUES (1000)'), {
    code: 'XX000',
    message: 'Numeric data overflow',
  });
  t.match(await cluster.refusal('INSERT INTO inserted (big) VALUES (9223372036854775808)'), {
    message: 'Numeric data overflow',
  });
  await cluster.sql("INSERT INTO inserted (word, amount) VALUES ('üü', 1.005), ('ab      ', -1.004)");
  t.same(await cluster.sql('SELECT word, amount FROM inserted ORDER BY amount'), [
    ['ab  ', '-1.00'],
    ['üü', '1.01'],
  ]);
});

t.test('65. what is not known is refused, and never reaches the server behind', async (t) => {
  await refuses(
    t,
    /^(XX000|42601|42501|3F000|42883|0A000|08P01)$/,
    'SELECT frobnicate(id) FROM t',
    "SELECT pg_read_file('/etc/passwd')",
    'SELECT pg_cancel_backend(1)',
    "SELECT current_setting('data_directory')",
    'SELECT * FROM pg_shadow',
    'SELECT * FROM pg_catalog.pg_class',
    'SELECT * FROM redshift_double.load_error',
    'SELECT * FROM information_schema.routines',
    'SELECT * FROM stv_blocklist',
    'CREATE FUNCTION f() RETURNS INTEGER AS $$ SELECT 1 $$ LANGUAGE sql',
    'DO $$ BEGIN END $$',
    "SET session_replication_role TO 'replica'",
    'SHOW data_directory',
    'EXPLAIN SELECT 1',
    'REINDEX TABLE t',
    'ALTER SYSTEM SET x = 1',
    'ALTER USER awsuser PASSWORD x',
    "UNLOAD ('SELECT 1') TO 's3://b/k' IAM_ROLE default",
    'FROBNICATE',
    "SELECT '{}'::jsonb",
    "SELECT 'a' ~ 'b'",
    "SELECT word #>> '{a}' FROM t",
    'SELECT id FROM t TABLESAMPLE SYSTEM (10)',
    'INSERT INTO pg_table_def VALUES (1)',
    'DROP FUNCTION f()',
    "INSERT INTO t VALUES (1, 'a'); DELETE FROM t",
  );
  t.equal(await cluster.value('SELECT count(*) FROM t'), '4');
  t.match(await cluster.refusal('BEGIN; SELECT nothing_known()'), { message: /UNVERIFIED: function/ });
  await cluster.sql('ROLLBACK');
});
