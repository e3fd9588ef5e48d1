import { Field, Int64, RecordBatch, Schema, Struct, TimestampMicrosecond, Uint32, Utf8, makeData } from 'apache-arrow';
import t from 'tap';
import { batchBytes, endBytes, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { type OversizePolicy, loadableRows } from '../../src/codec/loadable-rows.js';
import { openRows } from '../../src/codec/open-rows.js';
import { oneParquetFile } from '../../src/codec/parquet-stream.js';
import { loadableStart } from '../../src/column/redshift-limits.js';
import { gathered } from '../fixture/converted.js';
import { ordersEnd } from '../fixture/orders-arrow.js';
import { duckRows } from '../fixture/parquet-readers.js';

t.setTimeout(120_000);

const fields = [
  new Field('id', new Int64(), false),
  new Field('text', new Utf8(), true),
  new Field('at', new TimestampMicrosecond(), true),
];
const provenance = {
  v: 1,
  table: 's.t',
  read: 'snapshot',
  primary_key: ['id'],
  cursor_columns: [],
  from: null,
  columns: {},
  run_id: 'r',
  until: null,
};
const schema = new Schema(fields, new Map([['tablepipe', JSON.stringify(provenance)]]));

function stream(texts: readonly (Buffer | string)[], times: readonly bigint[] = texts.map(() => 0n)): Buffer {
  const parts = texts.map((text) => Buffer.from(text));
  const valueOffsets = new Int32Array(parts.length + 1);
  parts.forEach((part, row) => (valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + part.length));
  const length = parts.length;
  const children = [
    makeData({ type: new Int64(), length, nullCount: 0, data: BigInt64Array.from(parts, (_, row) => BigInt(row + 1)) }),
    makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets, data: Buffer.concat(parts) }),
    makeData({ type: new TimestampMicrosecond(), length, nullCount: 0, data: BigInt64Array.from(times) }),
  ];
  const batch = new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children }));
  const end = endBytes(ordersEnd(length, { to: null, cursor_columns: [] }));
  return Buffer.concat([schemaBytes(schema), batchBytes(batch as unknown as RecordBatch), end]);
}

async function written(
  input: Buffer,
  policy: OversizePolicy,
): Promise<{ file: Buffer; lines: string[]; touched: Map<string, number> }> {
  const lines: string[] = [];
  const touched = new Map<string, number>();
  const once = async function* (): AsyncGenerator<Uint8Array> {
    yield input;
  };
  const rows = await openRows(once(), { allowUnterminated: false, runId: 'r' }, new AbortController().signal);
  const quarantine = async (line: string): Promise<void> => void lines.push(line);
  const options = { compression: 'snappy', rowGroupBytes: 1 << 24, target: 'redshift' } as const;
  const file = await gathered(oneParquetFile(loadableRows(rows, { policy, quarantine }, touched), options));
  return { file, lines, touched };
}

const LONG = 'ü'.repeat(32_767) + 'xü';
const BAD: [string, Buffer | string, RegExp, number][] = [
  ['too long', LONG, /text of the row id = 2 has 65537 bytes/, 65_535],
  ['a NUL', 'ab\0cd', /text of the row id = 2 holds a NUL/, 2],
  ['invalid UTF-8', Buffer.from([0x61, 0xc3, 0x28]), /text of the row id = 2 is not valid UTF-8/, 1],
  ['a surrogate', Buffer.from([0x61, 0x62, 0xed, 0xa0, 0x80]), /not valid UTF-8/, 2],
];

for (const [name, value, message, bytes] of BAD) {
  t.test(name, async (t) => {
    const input = stream(['fine', value, 'also fine ⛵']);
    await t.rejects(written(input, 'fail'), { kind: 'data', message });
    const sql = 'SELECT id::INT id, strlen(text)::INT bytes FROM $FILE ORDER BY id';
    const [ok, last] = [
      { id: 1, bytes: 4 },
      { id: 3, bytes: 13 },
    ];
    t.same(await duckRows((await written(input, 'null')).file, sql), [ok, { id: 2, bytes: null }, last]);
    const cut = await written(input, 'truncate');
    t.same(await duckRows(cut.file, sql), [ok, { id: 2, bytes }, last]);
    t.same([...cut.touched], [['text', 1]]);
    const without = await written(input, 'quarantine');
    t.same(await duckRows(without.file, sql), [ok, last]);
    t.equal(without.lines.length, 1);
    t.match(JSON.parse(without.lines[0] ?? ''), { table: 's.t', row: { id: 2 } });
  });
}

t.test('exactly as long as possible is not too long', async (t) => {
  const { file, touched } = await written(stream(['x'.repeat(65_535)]), 'fail');
  t.same(await duckRows(file, 'SELECT strlen(text)::INT n FROM $FILE'), [{ n: 65_535 }]);
  t.equal(touched.size, 0);
});

t.test('a character cut between two rows is invalid in both', async (t) => {
  const ship = Buffer.from('⛵');
  await t.rejects(written(stream([ship.subarray(0, 2), ship.subarray(2)]), 'fail'), {
    message: /row id = 1 is not valid/,
  });
});

t.test('times outside the years 1 to 9999', async (t) => {
  const last = 253_402_300_799_999_999n;
  await written(stream(['a', 'b'], [last, -62_135_596_800_000_000n]), 'fail');
  await t.rejects(written(stream(['a', 'b'], [0n, last + 1n]), 'fail'), { message: /at of the row id = 2 is outside/ });
  await t.rejects(written(stream(['a'], [-62_135_596_800_000_001n]), 'fail'), { message: /outside/ });
  const { file } = await written(stream(['a', 'b'], [0n, last + 1n]), 'null');
  t.same(await duckRows(file, 'SELECT count("at")::INT n FROM $FILE'), [{ n: 1 }]);
});

t.test('unsigned columns are refused by name', async (t) => {
  const odd = new Schema([new Field('u', new Uint32())]);
  const input = Buffer.concat([schemaBytes(odd), endBytes(ordersEnd(0))]);
  await t.rejects(written(input, 'fail'), { kind: 'data', message: /column u is Uint32/ });
});

t.test('the loadable start of any bytes is valid, short and without NUL', async (t) => {
  t.equal(loadableStart(Buffer.from('ünï')).length, 5);
  t.equal(loadableStart(Buffer.from([0xff])).length, 0);
  t.same(
    Buffer.from(loadableStart(Buffer.concat([Buffer.from('ab⛵'), Buffer.from([0xf0, 0x9f])]))).toString(),
    'ab⛵',
  );
});
