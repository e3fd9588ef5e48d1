/** Arrow of other programs: files that pyarrow and polars wrote (test/fixture/foreign/make.py), read back by DuckDB. */
import { readFileSync, readdirSync } from 'node:fs';
import { DataType, Utf8, tableFromIPC } from 'apache-arrow';
import t from 'tap';
import { openRows } from '../../src/codec/open-rows.js';
import { parquetWasm } from '../../src/codec/row-group-encoder.js';
import { oneParquetFile } from '../../src/codec/parquet-stream.js';
import { plainRows } from '../../src/codec/plain-rows.js';
import type { ParquetTarget } from '../../src/column/parquet-schema.js';
import { gathered } from '../fixture/converted.js';
import { duckRows } from '../fixture/parquet-readers.js';
import { duckParquet } from '../redshift-double/duckdb-file.js';
import { demandCode, run } from '../support/program.js';

t.setTimeout(120_000);

const FOLDER = new URL('../../../test/fixture/foreign/', import.meta.url);
const foreign = (name: string): Buffer => readFileSync(new URL(`${name}.arrow`, FOLDER));

async function converted(input: Uint8Array, target: ParquetTarget = 'redshift'): Promise<Buffer> {
  const once = async function* (): AsyncGenerator<Uint8Array> {
    yield input;
  };
  const rows = await openRows(once(), { allowUnterminated: true, runId: 'r' }, new AbortController().signal);
  return gathered(oneParquetFile(plainRows(rows, target), { compression: 'snappy', rowGroupBytes: 1 << 24, target }));
}

/** Name to type as DuckDB sees it, and the rows with every value as text. */
async function read(file: Buffer): Promise<{ types: Record<string, unknown>; rows: Record<string, unknown>[] }> {
  const types = await duckRows(file, 'DESCRIBE SELECT * FROM $FILE');
  const rows = await duckRows(file, "SET TimeZone='UTC'; SELECT COLUMNS(*)::VARCHAR FROM $FILE");
  return { types: Object.fromEntries(types.map((one) => [one.column_name, one.column_type])), rows };
}

const REST = { id: '3' };
const [LOW, HIGH] = [
  {
    id: '1',
    i8: '-128',
    u8: '0',
    u16: '0',
    u32: '0',
    u64: '0',
    f16: '65504.0',
    ts_s: '1900-01-01 00:00:00',
    ts_ms: '1969-12-31 23:59:59.999+00',
    ts_ns: '1969-12-31 23:59:59.999999',
    d64: '1969-12-31',
    large: '',
    large_bytes: '',
    view: 'short',
    view_bytes: '\\x00',
    fixed: 'abcd',
    dec32: '-9.99',
    dec64: '-12345678901.5',
    dec256: `-${'9'.repeat(38)}`,
  },
  {
    id: '2',
    i8: '127',
    u8: '255',
    u16: '65535',
    u32: '4294967295',
    u64: '18446744073709551615',
    f16: '5.9604645e-08',
    ts_s: '9999-12-31 23:59:59',
    ts_ms: '3000-01-01 00:00:00.001+00',
    ts_ns: '2023-11-14 22:13:20.123456',
    d64: '9999-12-31',
    large: 'ünï ⛵',
    large_bytes: '\\x00\\xFF',
    view: 'longer than twelve bytes ⛵',
    fixed: '\\x00\\x01\\x02\\x03',
    dec32: '9.99',
    dec64: '0.1',
    dec256: '1',
  },
];

t.test('through the command, every type that has a plain one keeps every value', async (t) => {
  const stdin = foreign('pyarrow-plain');
  demandCode(await run('to-parquet', [], { stdin }), 82);
  const { stdout } = demandCode(await run('to-parquet', ['--allow-unterminated'], { stdin }));
  const { types, rows } = await read(stdout);
  t.same(types, {
    id: 'BIGINT',
    i8: 'SMALLINT',
    u8: 'SMALLINT',
    u16: 'INTEGER',
    u32: 'BIGINT',
    u64: 'DECIMAL(20,0)',
    f16: 'FLOAT',
    ts_s: 'TIMESTAMP',
    ts_ms: 'TIMESTAMP WITH TIME ZONE',
    ts_ns: 'TIMESTAMP',
    d64: 'DATE',
    large: 'VARCHAR',
    large_bytes: 'BLOB',
    view: 'VARCHAR',
    view_bytes: 'BLOB',
    fixed: 'BLOB',
    dec32: 'DECIMAL(10,2)',
    dec64: 'DECIMAL(12,1)',
    dec256: 'DECIMAL(38,0)',
  });
  t.same(rows[0], LOW);
  t.same({ ...rows[1], view_bytes: 0 }, { ...HIGH, view_bytes: 0 });
  const nulls = Object.fromEntries(Object.keys(types).map((name) => [name, null]));
  t.same(rows[2], { ...nulls, ...REST });
  const [bytes] = await duckRows(stdout, 'SELECT hex(view_bytes) h FROM $FILE WHERE id = 2');
  t.equal(
    bytes?.h,
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      .toString('hex')
      .toUpperCase(),
  );
});

t.test('--target any keeps what Parquet has a type for', async (t) => {
  const { types, rows } = await read(await converted(foreign('pyarrow-plain'), 'any'));
  t.match(types, {
    i8: 'TINYINT',
    u8: 'UTINYINT',
    u64: 'UBIGINT',
    ts_s: 'TIMESTAMP',
    ts_ns: 'TIMESTAMP_NS',
    d64: 'DATE',
  });
  t.same({ ...rows[1], view_bytes: 0 }, { ...HIGH, view_bytes: 0 });
  const { rows: ns } = await read(await converted(foreign('refused-ns'), 'any'));
  t.same(ns[1], { id: '2', odd: '1970-01-01 00:00:00.000001001' });
  t.match((await read(await converted(foreign('refused-time'), 'any'))).types, { odd: 'TIME' });
});

t.test('dictionaries are unpacked, also those that are replaced or grow between batches', async (t) => {
  const dictionary = await read(await converted(foreign('pyarrow-dictionary')));
  t.same(dictionary.types, { word: 'VARCHAR', moment: 'TIMESTAMP' });
  const [zero, one, two] = ['1970-01-01 00:00:00', '1970-01-01 00:01:00', '1970-01-01 00:02:00'];
  const first = [
    { word: 'ü', moment: zero },
    { word: 'a', moment: one },
    { word: null, moment: null },
  ];
  t.same(dictionary.rows, [
    ...first,
    { word: 'y', moment: two },
    { word: null, moment: two },
    { word: 'x', moment: null },
  ]);
  const delta = await read(await converted(foreign('pyarrow-delta')));
  t.same(delta.rows, [...first, { word: 'z', moment: one }, { word: 'ü', moment: one }, { word: 'a', moment: null }]);
});

t.test('a frame of polars', async (t) => {
  const { rows } = await read(await converted(foreign('polars')));
  t.same(rows, [
    {
      text: 'short',
      kind: 'a',
      level: 'low',
      day: '0001-01-01',
      moment: '2024-02-29 23:59:59.000001',
      yes: 'true',
      bytes: '\\x00',
    },
    {
      text: 'longer than twelve bytes ⛵',
      kind: 'b',
      level: 'high',
      day: '9999-12-31',
      moment: '1970-01-01 00:00:00',
      yes: 'false',
      bytes: '',
    },
    { text: null, kind: null, level: null, day: null, moment: null, yes: null, bytes: null },
  ]);
});

t.test('what DuckDB has in Parquet, as the Rust library writes it in Arrow', async (t) => {
  const made = await duckParquet(
    "SELECT 200::UTINYINT a, 18446744073709551615::UBIGINT b, 'x' c, TIMESTAMP_NS '2024-01-01 00:00:00.000001' d, DATE '2024-01-01' e, 1.5::DECIMAL(5,2) f, 'a'::ENUM('a','b') g",
  );
  const wasm = parquetWasm();
  const { rows } = await read(await converted(wasm.readParquet(made).intoIPCStream()));
  t.same(rows, [
    {
      a: '200',
      b: '18446744073709551615',
      c: 'x',
      d: '2024-01-01 00:00:00.000001',
      e: '2024-01-01',
      f: '1.50',
      g: 'a',
    },
  ]);
  const time = await duckParquet("SELECT TIME '01:02:03' odd");
  await t.rejects(converted(wasm.readParquet(time).intoIPCStream()), { kind: 'data', message: /column odd is Time64/ });
});

const REFUSED: Record<string, RegExp> = {
  ns: /odd of the row number 2 has nanoseconds/,
  midnight: /odd of the row number 2 has a time of day/,
  beyond: /odd of the row number 2 is a time beyond 64 bits/,
  time: /column odd is Time64<MICROSECOND>/,
  duration: /column odd is Duration/,
  interval: /column odd is Interval/,
  list: /column odd is List<Int32>/,
  struct: /column odd is Struct/,
  map: /column odd is Map/,
  null: /column odd is Null/,
  wide: /column odd is Decimal\[50e0\]/,
  scale: /column odd is Decimal\[4e-2\]/,
  run: /unknown type/,
  compressed: /batches of the Arrow stream are compressed/,
};

t.test('what cannot be written exactly is refused, with the column, the row and the cure', async (t) => {
  const files = readdirSync(FOLDER).flatMap((file) => /^refused-(.*)\.arrow$/.exec(file)?.[1] ?? []);
  t.same(files.sort(), Object.keys(REFUSED).sort());
  for (const [name, message] of Object.entries(REFUSED)) {
    await t.rejects(converted(foreign(`refused-${name}`)), { kind: 'data', message, hint: /.{10}/ }, name);
  }
  const { stderr, stdout } = demandCode(
    await run('to-parquet', ['--allow-unterminated'], { stdin: foreign('refused-ns') }),
    65,
  );
  t.match(stderr, /odd of the row number 2 has nanoseconds.*Round it/);
  t.not(stdout.toString('latin1', stdout.length - 4), 'PAR1');
});

t.test('the files are what they are said to be', async (t) => {
  const types = tableFromIPC(foreign('pyarrow-plain')).schema.fields.map(({ type }) => type);
  t.ok(types.some((type) => DataType.isUtf8View(type)) && types.some((type) => DataType.isLargeUtf8(type)));
  t.notOk(types.some((type) => type instanceof Utf8));
  const polars = tableFromIPC(foreign('polars')).schema.fields.map(({ type }) => type);
  t.ok(polars.some((type) => DataType.isDictionary(type)));
});
