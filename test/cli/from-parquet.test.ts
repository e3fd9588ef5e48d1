/** `from-parquet` as its users run it: every format from every place, exact values, foreign and broken files. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import t from 'tap';
import { convertedFile } from '../fixture/converted.js';
import { duckFile, duckTexts } from '../fixture/duck-file.js';
import { ordersArrow } from '../fixture/orders-arrow.js';
import { duckRows } from '../fixture/parquet-readers.js';
import { collected, demandCode, run, start } from '../support/program.js';
import { S3Scratch } from '../support/s3-scratch.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(290_000);
const ROWS = 5_000;
const s3 = await S3Scratch.open(10_000);
const dir = await mkdtemp(join(tmpdir(), 'from-parquet-'));
t.teardown(async () => {
  await s3.close();
  await rm(dir, { recursive: true, force: true });
});
const { env } = s3;
const orders = await convertedFile(ordersArrow(ROWS, 1_000), { rowGroupBytes: 64 << 10 });
const path = join(dir, 'orders.parquet');
await writeFile(path, orders);

const ordersUrl = await s3.stored(orders);
const places: [string, string[], Buffer?][] = [
  ['a file', [path]],
  ['stdin', [], orders],
  ['s3://', [ordersUrl]],
];

t.test('NDJSON, CSV and Arrow are the same from a file, stdin and s3://', async (t) => {
  for (const format of ['ndjson', 'csv', 'arrow']) {
    const outputs: Buffer[] = [];
    for (const [, words, stdin] of places) {
      const around = { env, ...(stdin ? { stdin } : {}) };
      outputs.push(
        demandCode(await run('from-parquet', [...words, '--format', format, '--run-id', 'r'], around)).stdout,
      );
    }
    for (const [index, output] of outputs.entries()) {
      t.ok(output.equals(outputs[0] as Buffer), `${format} from ${places[index]?.[0]}`);
    }
    await writeFile(join(dir, `orders.${format}`), outputs[0] as Buffer);
  }
});

/** The rows as DuckDB reads the Parquet file, spelled as `from-parquet` spells them. */
const SPELLED = `SELECT id, customer_id, status, currency, amount, tax_rate, weight::DOUBLE::FLOAT weight, is_gift, email, note, shipped_on,
  strftime(created_at, '%Y-%m-%dT%H:%M:%S.%f') created_at, strftime(update_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') update_at`;

t.test('every value is what DuckDB reads from the same file', async (t) => {
  const theirs = await duckTexts(`${SPELLED} FROM '${path}' ORDER BY id`);
  const float = (text: string | null | undefined): number | null => (text == null ? null : Math.fround(Number(text)));
  const same = (ours: Record<string, unknown>[], what: string): void => {
    t.equal(ours.length, ROWS, what);
    const odd = ours.findIndex((row, index) =>
      Object.entries(theirs[index] ?? {}).some(([name, text]) =>
        name === 'weight' ? float(row[name] as string) !== float(text) : (row[name] ?? null) !== text,
      ),
    );
    t.same(ours[odd], odd < 0 ? undefined : theirs[odd], `${what}: the first row that differs`);
  };
  const ndjson = jsonLines(await readFile(join(dir, 'orders.ndjson'))).slice(0, -1);
  const texts = ndjson.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? String(value) : value]),
    ),
  );
  same(texts, 'NDJSON');
  const csv = `read_csv('${dir}/orders.csv', all_varchar = true, header = true, delim = ',', quote = '"', escape = '"', new_line = '\\n')`;
  same(await duckTexts(`SELECT * FROM ${csv} ORDER BY id::BIGINT`), 'CSV, read by DuckDB');
  const { stdout } = demandCode(await run('to-parquet', [], { stdin: await readFile(join(dir, 'orders.arrow')) }));
  await writeFile(join(dir, 'again.parquet'), stdout);
  same(await duckTexts(`${SPELLED} FROM '${dir}/again.parquet' ORDER BY id`), 'Arrow, through to-parquet');
});

t.test('the end record counts the rows and carries table and positions; --head and --bare', async (t) => {
  const lines = jsonLines(demandCode(await run('from-parquet', [path])).stdout);
  t.match(lines.at(-1), {
    _tablepipe: { end: { status: 'complete', rows: ROWS, table: 'shop.orders', cursor_columns: ['update_at', 'id'] } },
  });
  const head = jsonLines(demandCode(await run('from-parquet', [path, '--head', '10'])).stdout);
  t.equal(head.length, 11);
  t.same(head.slice(0, 10), lines.slice(0, 10));
  t.match(head.at(-1), { _tablepipe: { end: { rows: 10, to: null } } }, 'nobody asked where the tenth row stands');
  t.equal(jsonLines(demandCode(await run('from-parquet', [path, `file://${path}`, '--bare'])).stdout).length, 2 * ROWS);
  t.equal(String(demandCode(await run('from-parquet', ['-', '-n', '0', '--bare'], { stdin: orders })).stdout), '');
});

const EXACT: Readonly<Record<string, [sql: string, json: unknown, stats?: string | null]>> = {
  big: ['9223372036854775807::BIGINT', '9223372036854775807', '9223372036854775807'],
  least: ["'-9223372036854775808'::BIGINT", '-9223372036854775808', '-9223372036854775808'],
  odd: ['9007199254740993::BIGINT', '9007199254740993', '9007199254740993'],
  safe: ['-9007199254740991::BIGINT', -9_007_199_254_740_991, '-9007199254740991'],
  u64: ["'18446744073709551615'::UBIGINT", '18446744073709551615', '18446744073709551615'],
  u32: ['4294967295::UINTEGER', 4_294_967_295, '4294967295'],
  tiny: ['-5::TINYINT', -5, '-5'],
  d38: ["'12345678901234567890123456789012345678'::DECIMAL(38,0)", '12345678901234567890123456789012345678'],
  d3810: ["'-0.0000000001'::DECIMAL(38,10)", '-0.0000000001', '-0.0000000001'],
  d4: ["'-99.90'::DECIMAL(4,2)", '-99.90', '-99.90'],
  d18: ["'123456789.123456789'::DECIMAL(18,9)", '123456789.123456789', '123456789.123456789'],
  ts: ["TIMESTAMP '1969-12-31 23:59:59.999999'", '1969-12-31T23:59:59.999999', '1969-12-31 23:59:59.999999'],
  tz: ["TIMESTAMPTZ '9999-12-31 23:59:59.000001+00'", '9999-12-31T23:59:59.000001Z'],
  ns: [
    "TIMESTAMP_NS '2024-02-29 12:00:00.123456789'",
    '2024-02-29T12:00:00.123456789',
    '2024-02-29 12:00:00.123456789',
  ],
  ms: ["TIMESTAMP_MS '1900-01-01 00:00:00.5'", '1900-01-01T00:00:00.500', '1900-01-01 00:00:00.500000'],
  never: ["'infinity'::TIMESTAMP", '9223372036854775807'],
  day: ["DATE '0001-01-01'", '0001-01-01', '0001-01-01'],
  time: ["TIME '23:59:59.999999'", '23:59:59.999999', '23:59:59.999999'],
  yes: ['true', true, 'true'],
  single: ['0.1::FLOAT', 0.1],
  nan: ["'nan'::DOUBLE", 'NaN', null],
  text: ['\'héé⛵ "q"\'', 'héé⛵ "q"', 'héé⛵ "q"'],
  blob: ["'\\x00\\xFF'::BLOB", 'AP8=', '00ff'],
  none: ['NULL::INTEGER', null, null],
  list: ['[1::BIGINT, NULL, 9223372036854775807]', [1, null, '9223372036854775807']],
  decimals: ['[1.50::DECIMAL(10,2)]', ['1.50']],
  struct: [
    "{'a': 1.250::DECIMAL(8,3), 't': TIMESTAMP '2024-01-01 00:00:00.000001', 'd': [DATE '2024-02-29'], 'n': NULL::INT}",
    { a: '1.250', t: '2024-01-01T00:00:00.000001', d: ['2024-02-29'], n: null },
  ],
  map: ["MAP {'k': 1::BIGINT, 'z': 9007199254740993}", { k: 1, z: '9007199254740993' }],
};

t.test('exact values of every type of a file DuckDB wrote, flat and nested, also in its statistics', async (t) => {
  const file = join(dir, 'exact.parquet');
  await duckFile(
    file,
    `SELECT ${Object.entries(EXACT)
      .map(([name, [sql]]) => `${sql} AS ${name}`)
      .join(', ')}`,
  );
  const [row, end] = jsonLines(demandCode(await run('from-parquet', [file])).stdout);
  for (const [name, [sql, json]] of Object.entries(EXACT)) t.same(row?.[name], json, `${name}: ${sql}`);
  t.match(end, { _tablepipe: { end: { rows: 1 } } });
  const [stats] = jsonLines(demandCode(await run('from-parquet', [file, '--stats'])).stdout);
  const columns = stats?.columns as { name: string; min: string | null; max: string | null; nulls: number }[];
  for (const [name, [, , bound]] of Object.entries(EXACT)) {
    if (bound === undefined) continue;
    const column = columns.find((one) => one.name === name);
    t.equal(column?.min, bound, `least of ${name}`);
    t.equal(column?.max, bound, `greatest of ${name}`);
  }
  const csv = String(demandCode(await run('from-parquet', [file, '--format', 'csv'])).stdout);
  t.match(csv, /^9223372036854775807,-9223372036854775808,/m);
  t.match(csv, /"\{""a"":""1\.250"",/, 'nested values are JSON in CSV');
});

t.test('versions, codecs and encodings of other writers: the rows are the rows', async (t) => {
  const query =
    "SELECT i AS id, 'text '||(i%100) AS t, (i*1.25)::DECIMAL(18,4) AS d, CASE WHEN i%7=0 THEN NULL ELSE TIMESTAMP '2024-01-01' + to_microseconds(i) END AS ts, i::DOUBLE/3 AS dd, i%2=0 AS bo FROM range(30000) r(i)";
  const files: string[] = [];
  for (const version of ['V1', 'V2']) {
    for (const codec of ['snappy', 'zstd', 'gzip', 'uncompressed', 'lz4_raw', 'brotli']) {
      const file = join(dir, `${version}-${codec}.parquet`);
      await duckFile(file, query, `PARQUET_VERSION '${version}', COMPRESSION '${codec}', ROW_GROUP_SIZE 10000`);
      files.push(file);
    }
  }
  const lines = String(demandCode(await run('from-parquet', [...files, '--bare'])).stdout).split('\n');
  const outputs = files.map((_, index) => lines.slice(index * 30_000, (index + 1) * 30_000).join('\n'));
  t.equal(new Set(outputs).size, 1, 'twelve files, the same rows');
  t.same(JSON.parse(lines[0] ?? ''), { id: 0, t: 'text 0', d: '0.0000', ts: null, dd: 0, bo: true });
  const decimals = parquetWriteBuffer({
    columnData: [{ name: 'd', data: [12.34, -0.01] }],
    schema: [
      { name: 'root', num_children: 1 },
      {
        name: 'd',
        repetition_type: 'REQUIRED',
        type: 'FIXED_LEN_BYTE_ARRAY',
        type_length: 5,
        converted_type: 'DECIMAL',
        precision: 10,
        scale: 2,
      },
    ],
  });
  const around = { stdin: Buffer.from(decimals) };
  t.same(jsonLines(demandCode(await run('from-parquet', ['--bare'], around)).stdout), [{ d: '12.34' }, { d: '-0.01' }]);
  const [stats] = jsonLines(demandCode(await run('from-parquet', ['--stats'], around)).stdout);
  t.match(stats, { columns: [{ min: '-0.01', max: '12.34' }] }, 'bytes of big-endian decimals');
  const empty = await duckFile(join(dir, 'empty.parquet'), 'SELECT 1 AS a, 2 AS b WHERE false');
  t.equal(String(demandCode(await run('from-parquet', ['--format', 'csv'], { stdin: empty })).stdout), 'a,b\n');
});

t.test('broken files are 65 or 82 and named; rows before the break come with an abort record', async (t) => {
  const damaged = (at: number, by = 0x55): Buffer => {
    const copy = Buffer.from(orders);
    copy[at] = (copy[at] ?? 0) ^ by;
    return copy;
  };
  const cases: [string, Buffer, number, RegExp][] = [
    ['nothing', Buffer.alloc(0), 82, /0 bytes/],
    ['a few bytes', orders.subarray(0, 7), 82, /7 bytes/],
    ['cut in a row group', orders.subarray(0, 100_000), 82, /ended before its footer/],
    ['cut by one byte', orders.subarray(0, -1), 82, /ended before its footer/],
    ['text', Buffer.from('id,name\n1,x\n2,y\n3,z\n'), 82, /not Parquet/],
    ['a footer that cannot be that long', damaged(orders.length - 5, 0x7f), 65, /claims a footer/],
    ['a footer with a broken byte', damaged(orders.length - 3_000), 65, /./],
    ['a page with a broken byte', damaged(1_000), 65, /cannot be decoded/],
    ['an encrypted footer', Buffer.concat([orders.subarray(0, -4), Buffer.from('PARE')]), 65, /encrypted/],
  ];
  for (const [index, [what, bytes, code, says]] of cases.entries()) {
    // Every other one through a pipe.
    const piped = index % 2 === 1;
    await writeFile(join(dir, 'broken.parquet'), bytes);
    const ended = await run('from-parquet', piped ? [] : [join(dir, 'broken.parquet')], piped ? { stdin: bytes } : {});
    t.equal(ended.code, code, `${what}: ${ended.stderr}`);
    t.match(ended.stderr, says);
    t.match(ended.stderr, piped ? /stdin/ : /broken\.parquet/, 'the input is named');
    t.match(jsonLines(ended.stdout).at(-1), { _tablepipe: { end: { status: 'aborted', code } } });
  }
  const late = damaged(orders.length - 60_000);
  const ended = await run('from-parquet', [], { stdin: late });
  t.equal(ended.code, 65);
  t.ok(jsonLines(ended.stdout).length > 1_000, 'the row groups before it are whole');
});

t.test('a writer that dies in the middle is 82 for the reader of its pipe', async (t) => {
  const child = start('from-parquet', []);
  const ended = collected(child, 'from-parquet');
  child.stdin?.write(orders.subarray(0, 100_000), () => child.stdin?.destroy());
  const { code, stderr } = await ended;
  t.equal(code, 82, stderr);
});

t.test('what is refused, and a full disk', async (t) => {
  const other = join(dir, 'other.parquet');
  await duckFile(other, 'SELECT 1 AS a');
  const cases: [string[], number, RegExp][] = [
    [[path, '--schema', '--stats'], 64, /exclude each other/],
    [[path, '--format', 'xml'], 64, /ndjson/],
    [[path, '--head', '-1'], 64, /--head/],
    [[join(dir, 'absent.parquet')], 66, /absent\.parquet/],
    [[`${s3.url}absent.parquet`], 66, /no such object/],
    [['s3://no-such-bucket-here/x.parquet'], 66, /no-such-bucket-here/],
    [[path, other], 65, /other\.parquet has another schema/],
    [[dir], 74, /./],
  ];
  for (const [words, code, says] of cases) {
    const ended = await run('from-parquet', words, { env });
    t.equal(ended.code, code, `${words.join(' ')}: ${ended.stderr}`);
    t.match(ended.stderr, says);
  }
  const small = join(dir, 'small');
  await mkdir(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  t.teardown(() => execFileSync('umount', [small]));
  const ended = await run('from-parquet', ['--temp-dir', small], { stdin: randomBytes(20 << 20) });
  t.equal(ended.code, 74, ended.stderr);
  t.match(ended.stderr, /ENOSPC/);
});

t.test('the schema it prints is the schema to-parquet reads', async (t) => {
  const { stdout } = demandCode(await run('from-parquet', [path, '--schema']));
  await writeFile(join(dir, 'schema.json'), stdout);
  const rows = demandCode(await run('from-parquet', [path, '--head', '50'])).stdout;
  const made = demandCode(await run('to-parquet', ['--schema', join(dir, 'schema.json')], { stdin: rows })).stdout;
  const again = demandCode(await run('from-parquet', ['--schema'], { stdin: made })).stdout;
  t.same(jsonLines(again)[0]?.columns, jsonLines(stdout)[0]?.columns);
  t.same(await duckRows(made, 'SELECT count(*)::INT n FROM $FILE'), [{ n: 50 }]);
});
