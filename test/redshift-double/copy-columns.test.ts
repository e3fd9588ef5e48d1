/** Rules 17 to 27 of reference/redshift.md section 7: which file columns go into which table columns. */
import t, { type Test } from 'tap';
import { type Cluster, startCluster } from './cluster.js';
import { duckParquet } from './duckdb-file.js';
import { decimal, type FixtureColumn, int, SHAPE, unscaled } from './parquet-fixture.js';

const cluster: Cluster = await startCluster(t);
type Shape = Omit<FixtureColumn, 'name' | 'values'>;

const id = (...values: unknown[]): FixtureColumn => ({ name: 'id', ...SHAPE.int32, values });
const number = (...values: unknown[]): FixtureColumn => ({ name: 'number', ...SHAPE.int32, values });
const word = (...values: unknown[]): FixtureColumn => ({ name: 'word', ...SHAPE.text, values });

/** `loads`, `fails` (an error Redshift is known to give) or `unverified`. */
async function verdict(type: string, shape: Shape, value: unknown): Promise<string> {
  await cluster.sql('DROP TABLE IF EXISTS one');
  await cluster.sql(`CREATE TABLE one (c ${type})`);
  const sql = await cluster.load('one', [{ name: 'c', ...shape, values: [value, null] }]);
  try {
    await cluster.client.query(sql);
    return 'loads';
  } catch (error) {
    const { message } = error as Error;
    return message.startsWith('UNVERIFIED') ? 'unverified' : 'fails';
  }
}

type Row = [type: string, what: string, shape: Shape, value: unknown, wanted: 'loads' | 'fails' | 'unverified'];

async function judges(t: Test, rows: readonly Row[]): Promise<void> {
  for (const [type, what, shape, value, wanted] of rows) {
    t.equal(await verdict(type, shape, value), wanted, `${what} into ${type}: ${wanted}`);
  }
}

t.test('17. columns go by place; their names are not looked at', async (t) => {
  await cluster.sql('CREATE TABLE place (a INTEGER, b INTEGER)');
  const columns = [
    { ...id(1), name: 'b' },
    { ...id(2), name: 'a' },
  ];
  await cluster.sql(await cluster.load('place', columns));
  t.same(await cluster.sql('SELECT a, b FROM place'), [['1', '2']], 'swapped columns load silently');
});

t.test('18. as many columns in every file as in the table or in the list', async (t) => {
  await cluster.sql('CREATE TABLE counted (id INTEGER, word VARCHAR(10))');
  const counts = (table: number, data: number): RegExp =>
    new RegExp(`code: +15007[^]*Unmatched number of columns[^]*Table columns: ${table}, Data columns: ${data}`);
  const refusal = async (table: string, columns: FixtureColumn[]) =>
    cluster.refusal(await cluster.load(table, columns));
  t.match(await refusal('counted', [id(1)]), { message: 'Spectrum Scan Error', detail: counts(2, 1) });
  t.match(await refusal('counted', [id(1), word('a'), number(2)]), { detail: counts(2, 3) });
  t.match(await refusal('counted (id)', [id(1), word('a')]), { detail: counts(1, 2) });
  const good = await cluster.putParquet('counted-1.parquet', [id(1), word('a')]);
  const bad = await cluster.putParquet('counted-2.parquet', [id(1)]);
  const manifest = await cluster.putManifest('counted.manifest', [good, bad]);
  t.match(await cluster.refusal(cluster.copySql('counted', manifest, 'MANIFEST')), { detail: /counted-2/ });
  t.equal(await cluster.value('SELECT count(*) FROM counted'), '0');
});

t.test('19. FILLRECORD fills missing trailing columns with NULL', async (t) => {
  await cluster.sql('CREATE TABLE filled (id INTEGER, word VARCHAR(10), n INTEGER)');
  await cluster.sql(await cluster.load('filled', [id(1)], 'FILLRECORD'));
  await cluster.sql(await cluster.load('filled (id, n)', [id(2)], 'FILLRECORD'));
  t.same(await cluster.sql('SELECT * FROM filled ORDER BY id'), [
    ['1', null, null],
    ['2', null, null],
  ]);
  await cluster.sql('CREATE TABLE strict (id INTEGER, word VARCHAR(10) NOT NULL)');
  t.match(await cluster.refusal(await cluster.load('strict', [id(1)], 'FILLRECORD')), { message: /NULL value.*word/ });
  const more = [id(1), word('a'), number(2), { ...number(3), name: 'm' }];
  t.match(await cluster.refusal(await cluster.load('filled', more, 'FILLRECORD')), { detail: /Unmatched number/ });
});

t.test('20. a column list names the targets in file order', async (t) => {
  await cluster.sql("CREATE TABLE listed (id INTEGER NOT NULL, word VARCHAR(10) DEFAULT 'none', n INTEGER)");
  await cluster.sql(await cluster.load('listed (n, id)', [id(1), number(2)]));
  t.same(await cluster.sql('SELECT * FROM listed'), [['2', 'none', '1']], 'omitted: DEFAULT, else NULL');
  const refusal = async (list: string) => cluster.refusal(await cluster.load(`listed (${list})`, [id(1), number(2)]));
  t.match(await refusal('id, x'), { code: '42703', message: 'column "x" of relation "listed" does not exist' });
  t.match(await refusal('word, n'), { code: '42601', message: /NOT NULL column without DEFAULT must be included/ });
  t.equal((await refusal('id, id')).code, '42701');
  const twins = await cluster.load('listed (n, id)', [id(1), id(2)]);
  t.match(await cluster.refusal(twins), { message: /UNVERIFIED: two columns named "id"/ });
});

t.test('21. IDENTITY columns are left out, or given with EXPLICIT_IDS', async (t) => {
  await cluster.sql('CREATE TABLE counter (k BIGINT IDENTITY(1, 1), id INTEGER)');
  await cluster.sql(await cluster.load('counter', [id(7, 8)]));
  t.equal(await cluster.value('SELECT count(DISTINCT k) FROM counter'), '2');
  const both = [{ name: 'k', ...SHAPE.int64, values: [100n] }, id(9)];
  await cluster.sql(await cluster.load('counter', both, 'EXPLICIT_IDS'));
  t.same(await cluster.sql('SELECT k FROM counter WHERE id = 9'), [['100']]);
  t.match(await cluster.refusal(await cluster.load('counter (k, id)', both)), { code: '42601' });
  t.match(await cluster.refusal(await cluster.load('counter (id)', [id(1)], 'EXPLICIT_IDS')), { code: '42601' });
  t.match(await cluster.refusal(await cluster.load('listed', both, 'EXPLICIT_IDS')), { code: '42601' });
});

t.test('22. every column is judged by its physical and logical type before a row is read', async (t) => {
  await judges(t, [
    ['BOOLEAN', 'BOOLEAN', SHAPE.bool, true, 'loads'],
    ['BOOLEAN', 'INT32', SHAPE.int32, 1, 'fails'],
    ['REAL', 'FLOAT', SHAPE.float, 1.5, 'loads'],
    ['REAL', 'DOUBLE', SHAPE.double, 1.5, 'fails'],
    ['DOUBLE PRECISION', 'DOUBLE', SHAPE.double, -0, 'loads'],
    ['DOUBLE PRECISION', 'FLOAT', SHAPE.float, 1.5, 'unverified'],
    ['DOUBLE PRECISION', 'INT64', SHAPE.int64, 1n, 'fails'],
    ['DATE', 'INT32 DATE', SHAPE.date, 19_000, 'loads'],
    ['DATE', 'INT32', SHAPE.int32, 19_000, 'fails'],
    ['DATE', 'STRING', SHAPE.text, '2024-01-01', 'fails'],
    ['VARCHAR(20)', 'STRING', SHAPE.text, 'ü', 'loads'],
    ['VARCHAR(20)', 'JSON', { type: 'BYTE_ARRAY', logical: { type: 'JSON' } }, '{}', 'loads'],
    ['VARCHAR(20)', 'BYTE_ARRAY', SHAPE.bytes, 'x', 'unverified'],
    ['VARCHAR(20)', 'INT64', SHAPE.int64, 1n, 'fails'],
    ['CHAR(20)', 'STRING', SHAPE.text, 'x', 'loads'],
  ]);
  await cluster.sql('CREATE TABLE text (word VARCHAR(20))');
  const refusal = await cluster.refusal(await cluster.load('text', [{ name: 'n', ...SHAPE.int64, values: [1n] }]));
  t.match(refusal, { code: 'XX000', message: 'Spectrum Scan Error', detail: /15007/ });
  const told = await cluster.sql('SELECT error_message FROM sys_load_error_detail ORDER BY start_time DESC LIMIT 1');
  t.match(
    told[0]?.[0],
    /has an incompatible Parquet schema for column 's3:\/\/.*\.n'\. Column type: VARCHAR, Parquet schema:\noptional int64 n \[i:0 d:1 r:0\]\n/,
  );
  await cluster.put('nested.parquet', await duckParquet('SELECT {a: 1} AS word'));
  const nested = await cluster.refusal(cluster.copySql('text', cluster.url('nested.parquet')));
  t.match(nested, { message: 'Assert', detail: /code: +1000[^]*Unreachable - Invalid type: 4000/ });
});

t.test('23. integers: exact widths, no unsigned annotation', async (t) => {
  await judges(t, [
    ['SMALLINT', 'INT(16)', SHAPE.int16, -5, 'loads'],
    ['SMALLINT', 'plain INT32', SHAPE.int32, -5, 'fails'],
    ['SMALLINT', 'INT(8)', int(8, true), -5, 'unverified'],
    ['SMALLINT', 'UINT(8)', int(8, false), 5, 'unverified'],
    ['SMALLINT', 'INT64', SHAPE.int64, 5n, 'fails'],
    ['INTEGER', 'plain INT32', SHAPE.int32, 5, 'loads'],
    ['INTEGER', 'INT(32)', int(32, true), 5, 'loads'],
    ['INTEGER', 'INT(16)', SHAPE.int16, 5, 'unverified'],
    ['INTEGER', 'UINT(32)', int(32, false), 5, 'unverified'],
    ['INTEGER', 'INT64', SHAPE.int64, 5n, 'fails'],
    ['BIGINT', 'INT64', SHAPE.int64, 5n, 'loads'],
    ['BIGINT', 'INT32', SHAPE.int32, 5, 'unverified'],
    ['BIGINT', 'UINT(64)', int(64, false, 'INT64'), 5n, 'unverified'],
    ['BIGINT', 'DOUBLE', SHAPE.double, 5, 'fails'],
  ]);
});

t.test('24. DECIMAL: the exact byte length, the same precision and scale', async (t) => {
  const five = (bytes: number): Uint8Array => unscaled(-1234n, bytes);
  await judges(t, [
    ['DECIMAL(20,2)', 'FLBA(9) (20,2)', decimal(20, 2, 9), five(9), 'loads'],
    ['DECIMAL(38,2)', 'FLBA(16) (38,2)', decimal(38, 2, 16), five(16), 'loads'],
    ['DECIMAL(18,2)', 'FLBA(8) (18,2)', decimal(18, 2, 8), five(8), 'loads'],
    ['DECIMAL(18,2)', 'INT64 (18,2)', decimal(18, 2, 'INT64'), -1234n, 'loads'],
    ['DECIMAL(10,2)', 'INT64 (10,2)', decimal(10, 2, 'INT64'), -1234n, 'loads'],
    ['DECIMAL(9,2)', 'INT64 (9,2)', decimal(9, 2, 'INT64'), -1234n, 'unverified'],
    ['DECIMAL(9,2)', 'INT32 (9,2)', decimal(9, 2, 'INT32'), -1234, 'unverified'],
    ['DECIMAL(18,2)', 'BYTE_ARRAY (18,2)', decimal(18, 2, 'BYTE_ARRAY'), five(8), 'unverified'],
    ['DECIMAL(18,9)', 'FLBA(13) (18,9)', decimal(18, 9, 13), five(13), 'fails'],
    ['DECIMAL(20,2)', 'FLBA(16) (20,2)', decimal(20, 2, 16), five(16), 'fails'],
    ['DECIMAL(20,2)', 'FLBA(9) (20,3)', decimal(20, 3, 9), five(9), 'fails'],
    ['DECIMAL(20,2)', 'FLBA(9) (21,2)', decimal(21, 2, 9), five(9), 'unverified'],
    ['DECIMAL(10,2)', 'DOUBLE', SHAPE.double, 1.5, 'fails'],
    ['DECIMAL(10,0)', 'INT64', SHAPE.int64, 1n, 'fails'],
  ]);
  const bytes: Record<number, number> = { 1: 1, 3: 2, 5: 3, 7: 4, 10: 5, 12: 6, 15: 7, 17: 8, 19: 9, 22: 10, 24: 11 };
  Object.assign(bytes, { 27: 12, 29: 13, 32: 14, 34: 15, 36: 16 });
  for (const [precision, length] of Object.entries(bytes)) {
    const p = Number(precision);
    t.equal(await verdict(`DECIMAL(${p},0)`, decimal(p, 0, length), unscaled(1n, length)), 'loads', `${p}: ${length}`);
    if (length < 2) continue;
    t.equal(await verdict(`DECIMAL(${p},0)`, decimal(p, 0, length - 1), unscaled(1n, length - 1)), 'fails');
  }
  await cluster.sql('CREATE TABLE price (num DECIMAL(18,9))');
  const wrong = await cluster.load('price', [{ name: 'num', ...decimal(18, 9, 13), values: [five(13)] }]);
  t.match(await cluster.refusal(wrong), { detail: /column 'num' has an invalid type length/ });
});

t.test('25. timestamps: microseconds, and the UTC flag of the column', async (t) => {
  // Nanoseconds of the day, then the Julian day.
  const epoch = new Uint8Array(new Uint32Array([0, 0, 2_440_588]).buffer);
  const stamp = (unit: 'MILLIS' | 'MICROS' | 'NANOS', utc: boolean): Shape => ({
    type: 'INT64',
    logical: { type: 'TIMESTAMP', isAdjustedToUTC: utc, unit },
  });
  await judges(t, [
    ['TIMESTAMP', 'MICROS,false', SHAPE.timestamp, 1n, 'loads'],
    ['TIMESTAMP', 'INT96', { type: 'INT96' }, epoch, 'loads'],
    ['TIMESTAMP', 'MICROS,true', SHAPE.timestamptz, 1n, 'unverified'],
    ['TIMESTAMP', 'MILLIS,false', stamp('MILLIS', false), 1n, 'unverified'],
    ['TIMESTAMP', 'NANOS,false', stamp('NANOS', false), 1n, 'fails'],
    ['TIMESTAMP', 'INT64', SHAPE.int64, 1n, 'fails'],
    ['TIMESTAMP', 'INT32', SHAPE.int32, 1, 'fails'],
    ['TIMESTAMPTZ', 'MICROS,true', SHAPE.timestamptz, 1n, 'loads'],
    ['TIMESTAMPTZ', 'MICROS,false', SHAPE.timestamp, 1n, 'unverified'],
    ['TIMESTAMPTZ', 'NANOS,true', stamp('NANOS', true), 1n, 'fails'],
    ['TIMESTAMPTZ', 'INT96', { type: 'INT96' }, epoch, 'unverified'],
  ]);
});

t.test('26. TIME, TIMETZ, GEOMETRY and their kind take no Parquet column', async (t) => {
  const time: Shape = { type: 'INT64', logical: { type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS' } };
  await judges(t, [
    ['TIME', 'TIME_MICROS', time, 1n, 'fails'],
    ['TIME', 'STRING', SHAPE.text, '10:00:00', 'fails'],
    ['TIMETZ', 'TIME_MICROS', time, 1n, 'fails'],
    ['GEOMETRY', 'BYTE_ARRAY', SHAPE.bytes, 'x', 'fails'],
    ['GEOGRAPHY', 'BYTE_ARRAY', SHAPE.bytes, 'x', 'fails'],
    ['HLLSKETCH', 'STRING', SHAPE.text, '{}', 'fails'],
  ]);
  t.match(await cluster.refusal('CREATE TABLE spans (c INTERVAL)'), { message: /UNVERIFIED/ });
});

t.test('27. VARBYTE takes BYTE_ARRAY without annotation, no fixed length, nothing longer than n', async (t) => {
  await judges(t, [
    ['VARBYTE(4)', 'BYTE_ARRAY', SHAPE.bytes, new Uint8Array([0, 255, 1, 2]), 'loads'],
    ['VARBYTE(4)', 'FLBA(4)', { type: 'FIXED_LEN_BYTE_ARRAY', length: 4 }, new Uint8Array(4), 'fails'],
    ['VARBYTE(4)', 'STRING', SHAPE.text, 'x', 'unverified'],
    ['VARBYTE(4)', 'BYTE_ARRAY of 5', SHAPE.bytes, new Uint8Array(5), 'fails'],
    ['VARBYTE(4)', 'INT32', SHAPE.int32, 1, 'fails'],
  ]);
  await verdict('VARBYTE(4)', SHAPE.bytes, new Uint8Array([0, 255, 1, 2]));
  t.equal(await cluster.value('SELECT c FROM one WHERE c IS NOT NULL'), '00ff0102', 'shown as hex');
});
