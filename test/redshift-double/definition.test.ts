/** Rules 41 to 54 of reference/redshift.md section 7: tables, names, ALTER, TRUNCATE, MERGE. */
import t, { type Test } from 'tap';
import { type Cluster, startCluster } from './cluster.js';

const cluster: Cluster = await startCluster(t);

/** Every statement is refused, each with one of the SQLSTATEs. */
async function refuses(t: Test, code: RegExp, ...statements: string[]): Promise<void> {
  for (const text of statements) t.match((await cluster.refusal(text)).code, code, text.slice(0, 120));
}

t.test('41. keys are parsed and listed, and never enforced', async (t) => {
  await cluster.sql('CREATE TABLE parent (id INTEGER PRIMARY KEY)');
  await cluster.sql(
    'CREATE TABLE keyed (id INTEGER, code VARCHAR(8) UNIQUE, p INTEGER REFERENCES parent (id), PRIMARY KEY (id))',
  );
  await cluster.sql("INSERT INTO keyed VALUES (1, 'a', 99), (1, 'a', 99)");
  t.equal(await cluster.value('SELECT count(*) FROM keyed'), '2');
  const kinds = await cluster.sql(
    "SELECT constraint_type FROM information_schema.table_constraints WHERE table_name = 'keyed' ORDER BY 1",
  );
  t.same(kinds, [['FOREIGN KEY'], ['PRIMARY KEY'], ['UNIQUE']]);
  const key = `SELECT k.column_name FROM information_schema.key_column_usage AS k WHERE k.table_name = 'keyed' AND k.constraint_name = 'keyed_pkey'`;
  t.same(await cluster.sql(key), [['id']]);
  t.match(await cluster.refusal('INSERT INTO keyed (id) VALUES (NULL)'), { message: /NULL value into column id/ });
});

t.test('42. no indexes, checks, sequences, triggers, partitions', async (t) => {
  await cluster.sql('CREATE TABLE plain (id INTEGER)');
  await refuses(
    t,
    /^(0A000|42601|XX000)$/,
    'CREATE INDEX i ON plain (id)',
    'CREATE UNIQUE INDEX i ON plain (id)',
    'CREATE TABLE x (id INTEGER CHECK (id > 0))',
    'CREATE TABLE x (id INTEGER, CHECK (id > 0))',
    'CREATE TABLE x (id INTEGER, EXCLUDE USING gist (id WITH =))',
    'CREATE TABLE x (id SERIAL)',
    'CREATE TABLE x (id BIGSERIAL)',
    'CREATE SEQUENCE s',
    'CREATE TRIGGER tr BEFORE INSERT ON plain EXECUTE PROCEDURE f()',
    'CREATE RULE r AS ON INSERT TO plain DO NOTHING',
    'CREATE TABLE x (id INTEGER) PARTITION BY RANGE (id)',
    'CREATE TABLE x (id INTEGER) INHERITS (plain)',
    'CREATE TABLE x (id INTEGER) TABLESPACE fast',
    'CREATE EXTENSION pgcrypto',
    'CREATE UNLOGGED TABLE x (id INTEGER)',
  );
});

t.test('43. types: lengths in bytes, no JSON, BYTEA, UUID, arrays', async (t) => {
  for (const type of ['JSON', 'JSONB', 'BYTEA', 'UUID', 'XML', 'BIT', 'MONEY', 'INET', 'CIDR', 'TSVECTOR', 'HSTORE']) {
    t.match((await cluster.refusal(`CREATE TABLE x (c ${type})`)).code, /^(0A000|42704)$/, type);
  }
  await refuses(t, /^(42601|0A000)$/, 'CREATE TABLE x (c INTEGER[])', 'CREATE TABLE x (c INTEGER ARRAY)');
  await refuses(
    t,
    /^22023$/,
    'CREATE TABLE x (c VARCHAR(65536))',
    'CREATE TABLE x (c VARCHAR(0))',
    'CREATE TABLE x (c CHAR(4097))',
    'CREATE TABLE x (c VARBYTE(16777217))',
  );
  await cluster.sql('CREATE TABLE widths (a TEXT, b VARCHAR, c VARCHAR(MAX), d CHAR, e NVARCHAR, f BPCHAR, g VARBYTE)');
  const lengths = await cluster.sql(
    'SELECT "column", "type" FROM pg_table_def WHERE tablename = \'widths\' ORDER BY "column"',
  );
  t.same(
    lengths.map((row) => row[1]),
    [
      'character varying(256)',
      'character varying(256)',
      'character varying(65535)',
      'character(1)',
      'character varying(256)',
      'character(256)',
      'binary varying(64000)',
    ],
  );
});

t.test('44. at most DECIMAL(38,37) and 1,600 columns', async (t) => {
  await cluster.sql('CREATE TABLE wide (a DECIMAL(38,37), b DECIMAL, c NUMERIC(5))');
  t.match(await cluster.refusal('CREATE TABLE x (c DECIMAL(39,0))'), { message: /Precision exceeds maximum/ });
  t.match(await cluster.refusal('CREATE TABLE x (c DECIMAL(38,38))'), { message: /Precision exceeds maximum/ });
  const columns = (n: number): string => Array.from({ length: n }, (_, i) => `c${i} INTEGER`).join(', ');
  await refuses(t, /^54011$/, `CREATE TABLE x (${columns(1601)})`);
});

t.test('45. distribution and sort keys are checked and kept in the catalogue', async (t) => {
  await cluster.sql(
    'CREATE TABLE spread (id INTEGER ENCODE az64, at TIMESTAMP, s SUPER, v VARBYTE(4)) BACKUP NO DISTSTYLE KEY DISTKEY (id) COMPOUND SORTKEY (at, id)',
  );
  const keys = await cluster.sql(
    'SELECT "column", distkey, sortkey, encoding FROM pg_table_def WHERE tablename = \'spread\' ORDER BY sortkey DESC, "column"',
  );
  t.same(keys.slice(0, 2), [
    ['id', 't', '2', 'az64'],
    ['at', 'f', '1', 'none'],
  ]);
  await cluster.sql('CREATE TABLE everywhere (id INTEGER) DISTSTYLE ALL SORTKEY AUTO ENCODE AUTO');
  await refuses(
    t,
    /^(42601|42703|42P16|0A000)$/,
    'CREATE TABLE x (a INTEGER DISTKEY, b INTEGER DISTKEY)',
    'CREATE TABLE x (a INTEGER) DISTKEY (a, b)',
    'CREATE TABLE x (a INTEGER) DISTKEY (b)',
    'CREATE TABLE x (a INTEGER) SORTKEY (b)',
    'CREATE TABLE x (a INTEGER) DISTSTYLE KEY',
    'CREATE TABLE x (a INTEGER) DISTSTYLE ALL DISTKEY (a)',
    'CREATE TABLE x (a INTEGER) DISTSTYLE SOME',
    'CREATE TABLE x (a SUPER) SORTKEY (a)',
    'CREATE TABLE x (a VARBYTE(4) DISTKEY)',
    'CREATE TABLE x (a VARCHAR(4) ENCODE az64)',
    'CREATE TABLE x (a INTEGER ENCODE gzip)',
    'CREATE TABLE x (a INTEGER) BACKUP MAYBE',
  );
});

t.test('46. names: folded even in quotes, cut at 127 bytes, no system columns', async (t) => {
  await cluster.sql('CREATE TABLE "Names" ("OrderId" INTEGER, "Größe" INTEGER, "with ""quotes"" and blanks" INTEGER)');
  await cluster.sql('INSERT INTO NAMES ("ORDERID") VALUES (1)');
  const { fields } = await cluster.client.query('SELECT * FROM "nAmEs"');
  t.same(
    fields.map((field) => field.name),
    ['orderid', 'größe', 'with "quotes" and blanks'],
  );
  await refuses(t, /^42701$/, 'CREATE TABLE x ("OrderId" INTEGER, orderid INTEGER)');
  await refuses(t, /^42703$/, 'SELECT xmin FROM names', 'SELECT ctid FROM names');
  for (const name of ['oid', 'tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']) {
    await refuses(t, /^42701$/, `CREATE TABLE x ("${name}" INTEGER)`);
  }
  await refuses(
    t,
    /^42601$/,
    'CREATE TABLE x (tag INTEGER)',
    'CREATE TABLE x (top INTEGER)',
    'CREATE TABLE x ("" INTEGER)',
  );
  const long = 'n'.repeat(126);
  await cluster.sql(`CREATE TABLE long_names ("${long}é" INTEGER, "${'k'.repeat(100)}" INTEGER)`);
  const listed = await cluster.sql(
    "SELECT column_name FROM svv_all_columns WHERE table_name = 'long_names' ORDER BY ordinal_position",
  );
  t.same(listed, [[long], ['k'.repeat(100)]], 'é would be byte 127 and 128');
  await cluster.sql(`INSERT INTO long_names ("${'K'.repeat(100)}") VALUES (5)`);
  t.equal(await cluster.value(`SELECT ${'k'.repeat(100)} FROM long_names`), '5');
  await cluster.sql('SET enable_case_sensitive_identifier TO true');
  await cluster.sql('CREATE TABLE "Sensitive" ("A" INTEGER, "a" INTEGER)');
  await refuses(t, /^42P01$/, 'SELECT * FROM sensitive');
  await cluster.sql('RESET enable_case_sensitive_identifier');
});

t.test('47. a backslash escapes inside a string', async (t) => {
  t.equal(await cluster.value("SELECT 'a\\'b\\\\c\\nd'"), "a'b\\c\nd");
  t.equal(await cluster.value("SELECT 'it''s'"), "it's");
  await refuses(t, /^42601$/, "SELECT 'open\\'");
  await refuses(t, /^XX000$/, "SELECT E'x'", "SELECT U&'x'", 'SELECT $$x$$');
});

t.test('48. LIKE: names, types, NOT NULL, keys; defaults only when asked for; no constraints', async (t) => {
  await cluster.sql(
    "CREATE TABLE origin (id INTEGER PRIMARY KEY, word VARCHAR(8) DEFAULT 'x', n DECIMAL(19,2)) DISTKEY (id)",
  );
  await cluster.sql('CREATE TEMP TABLE bare (LIKE origin)');
  await cluster.sql('CREATE TABLE whole (LIKE origin INCLUDING DEFAULTS)');
  await cluster.sql('INSERT INTO bare (id) VALUES (1)');
  await cluster.sql('INSERT INTO whole (id) VALUES (1)');
  t.same(await cluster.sql('SELECT word FROM bare'), [[null]]);
  t.same(await cluster.sql('SELECT word FROM whole'), [['x']]);
  t.match(await cluster.refusal('INSERT INTO bare (word) VALUES (1)'), { message: /NULL value into column id/ });
  t.match(await cluster.refusal("INSERT INTO bare VALUES (1, '123456789')"), { code: '22001' });
  const keys = "SELECT count(*) FROM information_schema.table_constraints WHERE table_name IN ('bare', 'whole')";
  t.equal(await cluster.value(keys), '0');
  t.equal(await cluster.value("SELECT distkey FROM pg_table_def WHERE tablename = 'whole' AND \"column\" = 'id'"), 't');
  await refuses(
    t,
    /^(42601|0A000|XX000)$/,
    'CREATE TABLE x (LIKE origin INCLUDING ALL)',
    'CREATE TABLE x (LIKE origin INCLUDING INDEXES)',
    'CREATE TABLE x (LIKE origin) DISTSTYLE EVEN',
  );
});

t.test('49. temporary tables: private, unqualified, # as well', async (t) => {
  await cluster.sql('CREATE TEMP TABLE private (id INTEGER)');
  await cluster.sql('CREATE TABLE #hash (id INTEGER)');
  await cluster.sql('INSERT INTO #hash VALUES (1)');
  const other = await cluster.session();
  for (const name of ['private', '#hash']) {
    t.match(await cluster.refusal(`SELECT * FROM ${name}`, other), { code: '42P01' }, name);
  }
  await cluster.sql('CREATE TEMP TABLE private (id INTEGER)', other);
  await refuses(t, /^(42P16|3F000)$/, 'CREATE TEMP TABLE public.x (id INTEGER)', 'CREATE TABLE public.#x (id INTEGER)');
  await cluster.sql('CREATE TABLE shadowed (id INTEGER)');
  await cluster.sql('CREATE TEMP TABLE shadowed (id INTEGER, extra INTEGER)');
  t.equal((await cluster.client.query('SELECT * FROM shadowed')).fields.length, 2);
});

t.test('50. TRUNCATE commits what is open and cannot be taken back', async (t) => {
  await cluster.sql('CREATE TABLE emptied (id INTEGER)');
  await cluster.sql('CREATE TABLE beside (id INTEGER)');
  await cluster.sql('INSERT INTO emptied VALUES (1)');
  await cluster.sql('BEGIN');
  await cluster.sql('INSERT INTO beside VALUES (1)');
  await cluster.sql('TRUNCATE emptied');
  await cluster.sql('ROLLBACK');
  t.equal(await cluster.value('SELECT count(*) FROM emptied'), '0');
  t.equal(await cluster.value('SELECT count(*) FROM beside'), '1', 'what came before was committed too');
  await refuses(
    t,
    /^42601$/,
    'TRUNCATE emptied, beside',
    'TRUNCATE emptied RESTART IDENTITY',
    'TRUNCATE emptied CASCADE',
  );
});

t.test('51. ALTER TABLE: one ADD a statement, VARCHAR widening alone and on its own', async (t) => {
  await cluster.sql(
    "CREATE TABLE altered (id INTEGER NOT NULL, word VARCHAR(4), d VARCHAR(4) DEFAULT 'x', k VARCHAR(4) UNIQUE)",
  );
  await cluster.sql("INSERT INTO altered (id, word) VALUES (1, 'four')");
  await cluster.sql('ALTER TABLE altered ADD COLUMN added DECIMAL(10,2)');
  await cluster.sql('ALTER TABLE altered ALTER COLUMN word TYPE VARCHAR(12)');
  await cluster.sql("UPDATE altered SET word = 'twelve chars'");
  await refuses(
    t,
    /^(42601|0A000|42P16|XX000|25001|42703|42704|42701)$/,
    'ALTER TABLE altered ADD COLUMN a INTEGER, ADD COLUMN b INTEGER',
    'ALTER TABLE altered ADD COLUMN IF NOT EXISTS a INTEGER',
    'ALTER TABLE altered ADD COLUMN a INTEGER UNIQUE',
    'ALTER TABLE altered ADD COLUMN a INTEGER PRIMARY KEY',
    'ALTER TABLE altered ADD COLUMN a INTEGER REFERENCES parent',
    'ALTER TABLE altered ADD COLUMN a INTEGER IDENTITY(1,1)',
    'ALTER TABLE altered ADD COLUMN a INTEGER DISTKEY',
    'ALTER TABLE altered ADD COLUMN a INTEGER NOT NULL',
    'ALTER TABLE altered ADD COLUMN added INTEGER',
    'ALTER TABLE altered ALTER COLUMN word TYPE VARCHAR(11)',
    'ALTER TABLE altered ALTER COLUMN d TYPE VARCHAR(12)',
    'ALTER TABLE altered ALTER COLUMN k TYPE VARCHAR(12)',
    'ALTER TABLE altered ALTER COLUMN id TYPE BIGINT',
    'ALTER TABLE altered ALTER COLUMN word TYPE VARCHAR(20) USING word::VARCHAR(20)',
    'ALTER TABLE altered ALTER COLUMN word SET NOT NULL',
    'ALTER TABLE altered ALTER COLUMN id DROP NOT NULL',
    "ALTER TABLE altered ALTER COLUMN word SET DEFAULT 'x'",
    'ALTER TABLE altered ADD PRIMARY KEY (word)',
    'ALTER TABLE altered ADD CHECK (id > 0)',
    'ALTER TABLE altered DROP COLUMN nothing',
    'ALTER TYPE t ADD VALUE x',
  );
  await cluster.sql('BEGIN');
  t.match(await cluster.refusal('ALTER TABLE altered ALTER COLUMN word TYPE VARCHAR(20)'), {
    message: 'ALTER TABLE ALTER COLUMN cannot run inside a transaction block',
  });
  await cluster.sql('ROLLBACK');
  await cluster.sql(
    'BEGIN; ALTER TABLE altered ADD COLUMN inside INTEGER; ALTER TABLE altered RENAME COLUMN inside TO renamed; COMMIT',
  );
  t.match((await cluster.client.query('SELECT * FROM altered')).fields.at(-1)?.name, 'renamed');
  await cluster.sql('ALTER TABLE altered ADD PRIMARY KEY (id)');
  await refuses(t, /^0A000$/, 'ALTER TABLE spread DROP COLUMN id', 'ALTER TABLE spread DROP COLUMN at');
  await refuses(t, /^0A000$/, 'ALTER TABLE plain DROP COLUMN id');
});

t.test('52. ALTER TABLE APPEND moves rows, by itself, between tables that agree', async (t) => {
  await cluster.sql('CREATE TABLE into_it (id INTEGER, word VARCHAR(8))');
  await cluster.sql('CREATE TABLE out_of (word VARCHAR(8), id INTEGER)');
  await cluster.sql("INSERT INTO out_of VALUES ('a', 1)");
  await cluster.sql('ALTER TABLE into_it APPEND FROM out_of');
  t.same(await cluster.sql('SELECT id, word FROM into_it'), [['1', 'a']], 'by name');
  t.equal(await cluster.value('SELECT count(*) FROM out_of'), '0');
  await cluster.sql('BEGIN');
  t.match(await cluster.refusal('ALTER TABLE into_it APPEND FROM out_of'), {
    message: 'ALTER TABLE APPEND cannot run inside a transaction block',
  });
  await cluster.sql('ROLLBACK');
  await cluster.sql('CREATE TABLE wider (id INTEGER, word VARCHAR(9))');
  await cluster.sql('CREATE TABLE extra (id INTEGER, word VARCHAR(8), x INTEGER)');
  await cluster.sql('CREATE TEMP TABLE gone (id INTEGER, word VARCHAR(8))');
  await refuses(
    t,
    /^(0A000|42601)$/,
    'ALTER TABLE into_it APPEND FROM wider',
    'ALTER TABLE into_it APPEND FROM extra',
    'ALTER TABLE extra APPEND FROM into_it',
    'ALTER TABLE into_it APPEND FROM gone',
    'ALTER TABLE into_it APPEND FROM extra IGNOREEXTRA FILLTARGET',
  );
  await cluster.sql('ALTER TABLE into_it APPEND FROM extra IGNOREEXTRA');
  await cluster.sql('ALTER TABLE extra APPEND FROM into_it FILLTARGET');
  t.same(await cluster.sql('SELECT * FROM extra'), [['1', 'a', null]]);
});

t.test('53. VACUUM and CREATE DATABASE stay out of transactions', async (t) => {
  await cluster.sql('VACUUM FULL plain TO 99 PERCENT');
  await cluster.sql('VACUUM DELETE ONLY');
  await cluster.sql('ANALYZE plain (id)');
  await refuses(t, /^42601$/, 'VACUUM (FULL) plain', 'VACUUM FREEZE plain extra', 'VACUUM SORT plain');
  for (const text of ['VACUUM plain', 'CREATE DATABASE other']) {
    await cluster.sql('BEGIN');
    t.match(await cluster.refusal(text), { code: '25001' }, text);
    await cluster.sql('ROLLBACK');
  }
});

t.test('54. MERGE: both branches, equality only, one match a row, REMOVE DUPLICATES', async (t) => {
  await cluster.sql('CREATE TABLE target (id INTEGER, n INTEGER)');
  await cluster.sql('CREATE TABLE source (id INTEGER, n INTEGER)');
  await cluster.sql('INSERT INTO target VALUES (1, 1), (2, 2)');
  await cluster.sql('INSERT INTO source VALUES (2, 20), (3, 30)');
  const head = 'MERGE INTO target USING source AS s ON target.id = s.id';
  const insert = 'WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)';
  await cluster.sql(`${head} WHEN MATCHED THEN UPDATE SET n = s.n ${insert}`);
  const rows = 'SELECT id, n FROM target ORDER BY id';
  t.same(await cluster.sql(rows), [
    ['1', '1'],
    ['2', '20'],
    ['3', '30'],
  ]);
  await refuses(
    t,
    /^(42601|0A000|XX000)$/,
    `${head} WHEN MATCHED THEN UPDATE SET n = s.n`,
    `${head} ${insert}`,
    `${head} ${insert} WHEN MATCHED THEN UPDATE SET n = s.n`,
    `${head} WHEN MATCHED AND s.n > 1 THEN UPDATE SET n = s.n ${insert}`,
    `${head} WHEN MATCHED THEN DO NOTHING ${insert}`,
    `${head} WHEN MATCHED THEN DELETE WHEN NOT MATCHED BY SOURCE THEN DELETE`,
    `MERGE INTO target AS t USING source AS s ON t.id = s.id WHEN MATCHED THEN DELETE ${insert}`,
    `MERGE INTO target USING source AS s ON target.id > s.id WHEN MATCHED THEN DELETE ${insert}`,
    `MERGE INTO target USING target AS s ON target.id = s.id WHEN MATCHED THEN DELETE ${insert}`,
    `WITH s AS (SELECT * FROM source) MERGE INTO target USING s ON target.id = s.id WHEN MATCHED THEN DELETE ${insert}`,
    `${head} WHEN MATCHED THEN UPDATE SET n = (SELECT 1) ${insert}`,
  );
  await cluster.sql('INSERT INTO source VALUES (2, 21)');
  const many = { message: 'Found multiple matches to update the same tuple.' };
  t.match(await cluster.refusal(`${head} WHEN MATCHED THEN UPDATE SET n = s.n ${insert}`), many);
  t.match(await cluster.refusal(`${head} WHEN MATCHED THEN DELETE ${insert}`), many);
  t.match(await cluster.refusal(`${head} REMOVE DUPLICATES`), many);
  await cluster.sql('DELETE FROM source WHERE n = 21');
  await cluster.sql('INSERT INTO target VALUES (2, 20)');
  await cluster.sql('INSERT INTO source VALUES (4, 40), (4, 40)');
  await cluster.sql(`${head} REMOVE DUPLICATES`);
  t.same(await cluster.sql(rows), [
    ['1', '1'],
    ['2', '20'],
    ['3', '30'],
    ['4', '40'],
    ['4', '40'],
  ]);
  await cluster.sql('CREATE TABLE narrow (id INTEGER)');
  await refuses(t, /^42601$/, 'MERGE INTO target USING narrow ON target.id = narrow.id REMOVE DUPLICATES');
});
