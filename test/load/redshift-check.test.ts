/** rs-copy --check on the double: each thing COPY refuses is told from footers and catalogue, and COPY does refuse it. */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import type { Receipt } from '../../src/receipt.js';
import { type Cluster, ROLE, startCluster, testServers } from '../redshift-double/cluster.js';
import { duckParquet } from '../redshift-double/duckdb-file.js';
import {
  decimal,
  type FixtureColumn,
  type FixtureOptions,
  parquetFixture,
  SHAPE,
  unscaled,
} from '../redshift-double/parquet-fixture.js';
import { demandCode, type Ended, run } from '../support/program.js';
import { receiptStream } from './stored-files.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(240_000);
const cluster: Cluster = await startCluster(t);
await cluster.sql('CREATE SCHEMA shop');

async function rsCopy(receipts: readonly Receipt[], words: string[], query = ''): Promise<Ended> {
  const env = {
    ...testServers().env,
    TABLEPIPE_WAREHOUSE_URL: `${cluster.double.url.replace('postgres:', 'redshift:')}?sslmode=disable${query}`,
    TABLEPIPE_IAM_ROLE: ROLE,
  };
  const prefix = cluster.url('manifests/');
  return run('rs-copy', [...words, '--manifest-prefix', prefix], { env, stdin: receiptStream(receipts) });
}

interface Line {
  type: string;
  ok: boolean;
  code: number;
  problem: string;
  cure: string;
  mode: string;
}

const lines = ({ stdout }: Ended): Line[] => jsonLines<Line>(stdout);

async function stored(bytes: Buffer, facts: Partial<Receipt> & { name?: string } = {}): Promise<Receipt> {
  const { name = `${randomBytes(6).toString('hex')}.parquet`, ...rest } = facts;
  return {
    type: 'object',
    v: 1,
    run_id: 'test',
    seq: 0,
    table: 'shop.t',
    url: await cluster.put(`check/${name}`, bytes),
    bytes: bytes.length,
    rows: 1,
    etag: '',
    crc32: crc32(bytes).toString(16).padStart(8, '0'),
    schema_id: name,
    read: 'snapshot',
    primary_key: [],
    cursor_columns: [],
    from: null,
    to: null,
    write_id: randomBytes(8).toString('hex'),
    ...rest,
  };
}

type Shape = Omit<FixtureColumn, 'name' | 'values'>;
const id: FixtureColumn = { name: 'id', ...SHAPE.int64, values: [1n] };
const file = (name: string, shape: Shape, value: unknown, options?: FixtureOptions): Buffer =>
  parquetFixture([id, { name, ...shape, values: [value] }], options);

/** A column of the table, a file that must not be loaded into it, and what is said. */
type Rule = [column: string, bytes: Buffer, says: RegExp];

/** All files in one --check; then COPY itself, which refuses each of them. */
async function judges(t: Test, table: string, rules: readonly Rule[]): Promise<void> {
  const receipts = await Promise.all(rules.map(async ([, bytes]) => stored(bytes)));
  const told = lines(demandCode(await rsCopy(receipts, [table, '--check']), 65));
  for (const [at, [column, bytes, says]] of rules.entries()) {
    t.match(told[at], { type: 'check', ok: false, problem: says, cure: /\w/ }, String(says));
    const url = receipts[at]?.url ?? '';
    const entry = { url, mandatory: true, meta: { content_length: bytes.length } };
    const manifest = await cluster.putManifest('check.manifest', [entry]);
    const refusal = await cluster.refusal(cluster.copySql(`${table} (id, ${column})`, manifest, 'MANIFEST'));
    t.match(refusal, { code: /^(XX000|0A000)$/ }, 'COPY refuses it');
  }
}

const stamp = (unit: 'MILLIS' | 'MICROS' | 'NANOS', utc: boolean): Shape => ({
  type: 'INT64',
  logical: { type: 'TIMESTAMP', isAdjustedToUTC: utc, unit },
});
const time: Shape = { type: 'INT64', logical: { type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS' } };

t.test('physical types, decimals, timestamps, packing: by the footer', async (t) => {
  await cluster.sql(
    'CREATE TABLE shop.kinds (id BIGINT, small SMALLINT, num INTEGER, nine DECIMAL(18,9), two DECIMAL(10,2), at TIMESTAMP, seen TIMESTAMPTZ, clock TIME, word VARCHAR(20), bin VARBYTE(4))',
  );
  await judges(t, 'shop.kinds', [
    ['small', await duckParquet('SELECT 1::BIGINT AS id, 1::TINYINT AS small'), /small has the type int8/],
    ['num', await duckParquet('SELECT 1::BIGINT AS id, 1::UINTEGER AS num'), /num has the type uint32/],
    ['clock', file('clock', time, 1n), /clock has the type/],
    ['bin', file('bin', { type: 'FIXED_LEN_BYTE_ARRAY', length: 4 }, new Uint8Array(4)), /bin has the type/],
    ['word', await duckParquet('SELECT 1::BIGINT AS id, {a: 1} AS word'), /word has the type/],
    ['nine', file('nine', decimal(18, 9, 13), unscaled(1n, 13)), /nine takes 13 bytes .* wants 8 for DECIMAL\(18,9\)/],
    ['two', file('two', decimal(9, 2, 'INT32'), 1), /two is INT32 DECIMAL\(9,2\) in the file, nobody has seen/],
    ['at', file('at', stamp('NANOS', false), 1n), /at is INT64 TIMESTAMP\(NANOS, not UTC\).* COPY does not load that/],
    ['seen', file('seen', stamp('MILLIS', true), 1n), /seen is INT64 TIMESTAMP\(MILLIS, UTC\).* nobody has seen/],
    ['num', file('num', SHAPE.int32, 1, { codec: 'LZ4_RAW' }), /num is compressed with lz4/],
    [
      'num',
      parquetFixture([id, { name: 'num', ...SHAPE.int32, values: [1], encoding: 'DELTA_BINARY_PACKED' }]),
      /num is encoded as DELTA_BINARY_PACKED/,
    ],
  ]);
});

t.test('values longer than their column, and NULLs: by the statistics of the footer', async (t) => {
  await cluster.sql('CREATE TABLE shop.narrow (id BIGINT, c VARCHAR(5) NOT NULL, bin VARBYTE(2))');
  await judges(t, 'shop.narrow', [
    [
      'c, bin',
      await duckParquet("SELECT 1::BIGINT AS id, 'zwölf Zeichen' AS c, 'ab'::BLOB AS bin"),
      /c has a value of 14 bytes or more, VARCHAR\(5\) has room for 5/,
    ],
    [
      'c, bin',
      await duckParquet("SELECT 1::BIGINT AS id, NULL::VARCHAR AS c, 'ab'::BLOB AS bin"),
      /c is NULL in 1 of 1 rows, and NOT NULL in the table/,
    ],
  ]);
  const silent = await stored(file('c', SHAPE.text, 'zwölf Zeichen'));
  const [line] = lines(demandCode(await rsCopy([silent], ['shop.narrow', '--check'])));
  t.match(line, { ok: true, narrower: ['c'] }, 'without statistics the declared lengths are told');
});

t.test('columns: count, names, order', async (t) => {
  const receipt = await stored(file('c', SHAPE.text, 'x'));
  await cluster.sql('CREATE TABLE shop.fewer (id BIGINT)');
  const fewer = lines(demandCode(await rsCopy([receipt], ['shop.fewer', '--check']), 65));
  t.match(fewer, [{ ok: false, problem: /c \(VARCHAR\(65535\)\) is missing/, cure: /ALTER TABLE .* ADD COLUMN "c"/ }]);
  await cluster.sql('CREATE TABLE shop.more (id BIGINT, c VARCHAR(5), d INTEGER NOT NULL)');
  const more = lines(demandCode(await rsCopy([receipt], ['shop.more', '--check']), 65));
  t.match(more, [{ ok: false, problem: /d is NOT NULL without a default, and the files do not have it/ }]);
  const twins = await stored(parquetFixture([id, { ...id, name: 'ID' }]));
  const folded = lines(demandCode(await rsCopy([twins], ['shop.twins', '--check', '--create']), 65));
  t.match(folded, [{ ok: false, problem: /columns id and ID would both be id/ }]);
  await cluster.sql('CREATE TABLE shop.turned (c VARCHAR(5), id BIGINT)');
  t.match(lines(demandCode(await rsCopy([receipt], ['shop.turned', '--check']))), [{ ok: true }], 'columns are listed');
  demandCode(await rsCopy([receipt], ['shop.turned']));
  t.same(await cluster.sql('SELECT id, c FROM shop.turned'), [['1', 'x']], 'whatever their order');
  const many = Array.from({ length: 1_600 }, (_, i) => ({ ...id, name: `c${i}` }));
  const wide = await stored(parquetFixture(many));
  const over = lines(demandCode(await rsCopy([wide], ['shop.fewer', '--check', '--evolve', 'add']), 65));
  t.match(over, [{ ok: false, problem: /would have 1601 columns, at most 1600/ }]);
});

t.test('where the object lies, and what its receipt says of it', async (t) => {
  await cluster.sql('CREATE TABLE shop.placed (id BIGINT, c VARCHAR(5))');
  const bytes = file('c', SHAPE.text, 'x');
  const good = await stored(bytes);
  const all = [
    await stored(bytes, { name: 'whole.parquet.gz' }),
    await stored(bytes, { bytes: bytes.length + 1 }),
    await stored(bytes, { rows: 2 }),
    await stored(bytes, { crc32: '00000000' }),
    good,
  ];
  const told = lines(demandCode(await rsCopy(all, ['shop.placed', '--check']), 65));
  t.match(told, [
    { ok: false, problem: /would decompress the whole object/, cure: /\.parquet/ },
    { ok: false, problem: /has \d+ bytes, its receipt says \d+/ },
    { ok: false, problem: /footer counts 1 rows, its receipt 2/ },
    { ok: all[3]?.crc32 === undefined },
    { ok: true },
  ]);
  t.equal(await cluster.value('SELECT count(*) FROM shop.placed'), '0', 'nothing was loaded');
  const verbs = cluster.double.log().filter(({ text }) => text.includes('placed'));
  t.same([...new Set(verbs.map(({ verb }) => verb))], ['create', 'select'], 'and nothing was changed');
});
