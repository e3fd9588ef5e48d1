/** Rules 28 to 38 of reference/redshift.md section 7: values, atomicity, and what a session can read afterwards. */
import t from 'tap';
import { type Cluster, startCluster } from './cluster.js';
import { duckParquet } from './duckdb-file.js';
import { decimal, type FixtureColumn, SHAPE, unscaled } from './parquet-fixture.js';

const cluster: Cluster = await startCluster(t);

type Shape = Omit<FixtureColumn, 'name' | 'values'>;

async function fresh(type: string): Promise<void> {
  await cluster.sql('DROP TABLE IF EXISTS one');
  await cluster.sql(`CREATE TABLE one (c ${type})`);
}

const column = (shape: Shape, ...values: unknown[]): FixtureColumn => ({ name: 'c', ...shape, values });

async function refusal(shape: Shape, values: unknown[], rest = ''): Promise<{ message: string; detail: string }> {
  return cluster.refusal(await cluster.load('one', [column(shape, ...values)], rest));
}

/** What the table holds after the file was loaded into it. */
async function held(shape: Shape, values: unknown[], rest = ''): Promise<unknown[]> {
  await cluster.sql('DELETE FROM one');
  await cluster.sql(await cluster.load('one', [column(shape, ...values)], rest));
  return (await cluster.sql('SELECT c FROM one')).map((row) => row[0]);
}

t.test('28. VARCHAR(n) is n bytes, CHAR one byte a character', async (t) => {
  await fresh('VARCHAR(8)');
  t.same(await held(SHAPE.text, ['12345678', 'üöäß', '⛵⛵', '']), ['12345678', 'üöäß', '⛵⛵', '']);
  const text = /code: +15007[^]*length of the data column c is longer.*Table: 8, Data: 9/;
  t.match(await refusal(SHAPE.text, ['123456789']), { detail: text });
  t.match(await refusal(SHAPE.text, ['⛵⛵⛵']), { detail: /Table: 8, Data: 9/ });
  await fresh('CHAR(4)');
  t.match(await refusal(SHAPE.text, ['ü']), { message: 'Spectrum Scan Error', detail: /invalid ASCII character/ });
  t.match(await refusal(SHAPE.text, ['12345']), { detail: /Table: 4, Data: 5/ });
});

t.test('29. invalid UTF-8 fails, unless ACCEPTINVCHARS replaces it byte for byte', async (t) => {
  await fresh('VARCHAR(20)');
  const bad = new Uint8Array([0x61, 0xa4, 0xff, 0x62]);
  const surrogate = new Uint8Array([0xed, 0xa0, 0x80]);
  t.match(await refusal(SHAPE.text, [bad]), { detail: /code: +1220[^]*Bad UTF-8 hex sequence: a4 \(error 3\)/ });
  t.match(await refusal(SHAPE.text, [surrogate]), { detail: /1220/ });
  t.same(await held(SHAPE.text, [bad, surrogate], 'ACCEPTINVCHARS'), ['a??b', '???']);
  t.same(await held(SHAPE.text, [bad], "ACCEPTINVCHARS AS '^'"), ['a^^b']);
  t.match(await refusal(SHAPE.text, ['a\0b']), { message: /UNVERIFIED: a NUL character/ });
});

t.test('30. SUPER: only with SERIALIZETOJSON, strings stay strings, 65,535 bytes each', async (t) => {
  await fresh('SUPER');
  t.match(await refusal(SHAPE.text, ['{"a":1}']), { message: /SUPER column in COPY query requires SERIALIZETOJSON/ });
  t.same(await held(SHAPE.text, ['{"a":1}'], 'SERIALIZETOJSON'), ['"{\\"a\\":1}"'], 'a scalar, not a document');
  t.same(await held(SHAPE.int64, [5n], 'SERIALIZETOJSON'), ['5']);
  t.match(await refusal(SHAPE.text, ['x'.repeat(65_536)], 'SERIALIZETOJSON'), { detail: /code: +1224/ });
  t.equal((await held(SHAPE.text, ['x'.repeat(65_535)], 'SERIALIZETOJSON')).length, 1);
  await cluster.put('nested.parquet', await duckParquet("SELECT {a: 1, b: ['x', 'y']} AS c"));
  await cluster.sql('DELETE FROM one');
  await cluster.sql(cluster.copySql('one', cluster.url('nested.parquet'), 'SERIALIZETOJSON'));
  t.same(await cluster.sql('SELECT c FROM one'), [['{"a":1,"b":["x","y"]}']]);

  await cluster.sql('CREATE TABLE stage (c VARBYTE(200000))');
  await cluster.sql(await cluster.load('stage', [column(SHAPE.bytes, '{"a": [1, 2]}', null)]));
  await cluster.sql('DELETE FROM one');
  await cluster.sql('INSERT INTO one SELECT JSON_PARSE(c) FROM stage');
  t.same(await cluster.sql('SELECT c FROM one'), [['{"a":[1,2]}'], [null]], 'the documented way to a document');
  await cluster.sql(await cluster.load('stage', [column(SHAPE.bytes, '{broken')]));
  t.match(await cluster.refusal('INSERT INTO one SELECT JSON_PARSE(c) FROM stage'), {
    code: 'XX000',
    message: /JSON_PARSE\(\) error/,
  });
  await cluster.sql('DELETE FROM stage');
  await cluster.sql(await cluster.load('stage', [column(SHAPE.bytes, JSON.stringify('x'.repeat(65_536)))]));
  t.match(await cluster.refusal('INSERT INTO one SELECT JSON_PARSE(c) FROM stage'), { message: /65535 bytes/ });
});

t.test('31. NULL into NOT NULL', async (t) => {
  await fresh('INTEGER NOT NULL');
  const text = { code: 'XX000', message: 'Cannot insert a NULL value into column c' };
  t.match(await cluster.refusal(await cluster.load('one', [column(SHAPE.int32, 1, null)])), text);
  t.match(await cluster.refusal('INSERT INTO one VALUES (NULL)'), { ...text, detail: /8007/ });
  t.same(await held({ ...SHAPE.int32, required: true }, [1]), ['1']);
});

t.test('32. a row over 4 MB fails', async (t) => {
  await fresh('VARBYTE(16777216)');
  t.equal((await held(SHAPE.bytes, [new Uint8Array(4 << 20)])).length, 1);
  t.match(await refusal(SHAPE.bytes, [new Uint8Array((4 << 20) + 1)]), { detail: /4 MB/ });
});

t.test('33. ranges: DECIMAL(19), dates and times, the type of an IDENTITY', async (t) => {
  await fresh('DECIMAL(19,0)');
  const nineteen = decimal(19, 0, 9);
  t.same(await held(nineteen, [unscaled(9_223_372_036_854_775_807n, 9)]), ['9223372036854775807']);
  t.match(await refusal(nineteen, [unscaled(9_223_372_036_854_775_808n, 9)]), { detail: /overflow/ });
  await fresh('DECIMAL(20,0)');
  t.same(await held(decimal(20, 0, 9), [unscaled(18_446_744_073_709_551_615n, 9)]), ['18446744073709551615']);
  await fresh('DATE');
  t.same(await held(SHAPE.date, [-719_162, 2_932_896]), ['0001-01-01', '9999-12-31']);
  t.match(await refusal(SHAPE.date, [-2_500_000]), { detail: /outside the range/ });
  t.match(await refusal(SHAPE.date, [200_000_000]), { detail: /outside the range/ });
  await fresh('TIMESTAMP');
  t.same(await held(SHAPE.timestamp, [-1n, 253_402_300_799_999_999n]), [
    '1969-12-31 23:59:59.999999',
    '9999-12-31 23:59:59.999999',
  ]);
  t.match(await refusal(SHAPE.timestamp, [-9_223_372_036_854_775_808n]), { detail: /outside the range/ });
  t.match(await cluster.refusal('CREATE TABLE ids (c SMALLINT IDENTITY(1,1))'), { code: '42804' });
  await fresh('DOUBLE PRECISION');
  t.same(await held(SHAPE.double, [-0, NaN, Infinity, 0.1]), ['-0', 'NaN', 'Infinity', '0.1']);
});

t.test('34. all or nothing; inside BEGIN a failure ends the transaction', async (t) => {
  await fresh('VARCHAR(3)');
  const good = await cluster.putParquet('all-1.parquet', [column(SHAPE.text, 'a', 'b')]);
  const bad = await cluster.putParquet('all-2.parquet', [column(SHAPE.text, 'c', 'four')]);
  const copy = cluster.copySql('one', await cluster.putManifest('all.manifest', [good, bad]), 'MANIFEST');
  await cluster.refusal(copy);
  t.equal(await cluster.value('SELECT count(*) FROM one'), '0');
  await cluster.sql('BEGIN');
  await cluster.sql("INSERT INTO one VALUES ('x')");
  await cluster.refusal(copy);
  t.match(await cluster.refusal('SELECT 1'), { code: '25P02' });
  await cluster.sql('ROLLBACK');
  t.equal(await cluster.value('SELECT count(*) FROM one'), '0');
});

t.test('35. the envelope: message, code, context of 256 characters, query', async (t) => {
  await fresh('VARCHAR(3)');
  const long = await cluster.putParquet(`${'deep/'.repeat(60)}x.parquet`, [column(SHAPE.int64, 1n)]);
  const copy = cluster.copySql('one', await cluster.putManifest('long.manifest', [long]), 'MANIFEST');
  const { code, message, detail } = await cluster.refusal(copy);
  t.equal(code, 'XX000');
  t.equal(message, 'Spectrum Scan Error');
  t.match(detail, /^\n +-+\n +error: +Spectrum Scan Error\n +code: +15007\n/);
  t.equal(/context: {3}([^]*?)\n +query:/.exec(detail)?.[1]?.length, 256);
  t.match(detail, /query: +\d+\n +location: +dory_util\.cpp:1450\n +process: +worker_thread \[pid=\d+\]/);
  t.notMatch(detail, /Column type/, 'the cut loses the end');
  const query = await cluster.value('SELECT pg_last_copy_id()');
  const whole = await cluster.value(`SELECT error_message FROM sys_load_error_detail WHERE query_id = ${query}`);
  t.match(whole, /Column type: VARCHAR/, 'and the records have it');
});

t.test('36. success: a notice with the count, a tag without', async (t) => {
  await fresh('INTEGER');
  cluster.notices.length = 0;
  const { command, rowCount } = await cluster.client.query(await cluster.load('one', [column(SHAPE.int32, 1, 2)]));
  t.same([command, rowCount], ['COPY', null]);
  t.same(cluster.notices, ["Load into table 'one' completed, 2 record(s) loaded successfully."]);
});

t.test('37. pg_last_copy_count() and pg_last_copy_id()', async (t) => {
  const client = await cluster.session();
  const last = async (): Promise<unknown[]> => [
    await cluster.value('SELECT pg_last_copy_count()', client),
    await cluster.value('SELECT pg_last_copy_id()', client),
  ];
  t.same(await last(), ['0', '-1'], 'a session that never copied');
  await fresh('VARCHAR(3)');
  const good = await cluster.load('one', [column(SHAPE.text, 'a', 'b')]);
  const bad = await cluster.load('one', [column(SHAPE.text, 'four')]);
  await cluster.sql(good, client);
  const [count, first] = await last();
  t.equal(count, '2');
  await cluster.refusal(good.replace('MANIFEST', 'SURPRISE'), client);
  await cluster.refusal(good.replace('role/load', 'role/stranger'), client);
  t.same(await last(), ['2', first], 'syntax and access change nothing');
  await cluster.refusal(bad, client);
  const [zero, second] = await last();
  t.equal(zero, '0', 'failing while loading: no rows');
  t.ok(Number(second) > Number(first), 'and a new id');
  await cluster.sql('BEGIN', client);
  await cluster.sql(good, client);
  t.equal((await last())[0], '2');
  await cluster.sql('ROLLBACK', client);
  t.equal((await last())[1], second, 'a rollback takes the id back');
});

t.test('38. the load records outlive a rollback, and STL_* can be denied', async (t) => {
  await fresh('VARCHAR(3)');
  const entry = await cluster.putParquet('record.parquet', [column(SHAPE.text, 'a', 'b')]);
  const copy = cluster.copySql('one', await cluster.putManifest('record.manifest', [entry]), 'MANIFEST');
  await cluster.sql('BEGIN');
  await cluster.sql(copy);
  const id = await cluster.value('SELECT pg_last_copy_id()');
  await cluster.sql('ROLLBACK');
  t.match(await cluster.value(`SELECT trim(filename) FROM stl_load_commits WHERE query = ${id}`), entry.url);
  t.match(await cluster.value(`SELECT file_name FROM sys_load_detail WHERE query_id = ${id}`), entry.url);
  const history = await cluster.sql(`SELECT status, loaded_rows FROM sys_load_history WHERE query_id = ${id}`);
  t.same(history, [['completed', '2']]);
  await cluster.refusal(await cluster.load('one', [{ ...column(SHAPE.text, 'ok', 'four') }]));
  const failed = await cluster.value('SELECT pg_last_copy_id()');
  const detail = `SELECT error_code, column_name, line_number FROM sys_load_error_detail WHERE query_id = ${failed}`;
  t.same(await cluster.sql(detail), [['15007', 'c', '2']]);
  t.equal(await cluster.value(`SELECT err_code FROM stl_load_errors WHERE query = ${failed}`), '15007');
  const serverless = await startCluster(t, { serverless: true });
  t.match(await serverless.refusal('SELECT * FROM stl_load_errors'), { code: '42501' });
  t.match(await serverless.refusal('SELECT * FROM stv_db_isolation_level'), { code: '42501' });
  t.same(await serverless.sql('SELECT query_id FROM sys_load_error_detail'), []);
});
