import {
  Bool,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int32,
  Int64,
  RecordBatch,
  Struct,
  TimestampMicrosecond,
  Utf8,
  makeData,
} from 'apache-arrow';
import { type Data, type DataType, Field, Schema, vectorFromArray } from 'apache-arrow';
import t from 'tap';
import { ndjsonLines } from '../../src/codec/ndjson-lines.js';
import { singerRecords, singerSchema, singerState } from '../../src/codec/singer-lines.js';

function batchOf(columns: Record<string, { type: DataType; data: Data }>): RecordBatch {
  const schema = new Schema(Object.entries(columns).map(([name, { type }]) => new Field(name, type, true)));
  const children = Object.values(columns).map(({ data }) => data);
  const length = children[0]?.length ?? 0;
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));
}

function raw(type: DataType, values: ArrayBufferView, length: number): { type: DataType; data: Data } {
  return { type, data: makeData({ type: type as Int32, length, nullCount: 0, data: values as unknown as Int32Array }) };
}

const text = vectorFromArray(['a"\n⛵', null, ''], new Utf8()).data[0] as Data;
const bool = vectorFromArray([true, false, null], new Bool()).data[0] as Data;
const batch = batchOf({
  id: raw(new Int64(), BigInt64Array.of(9007199254740991n, 9007199254740992n, -(2n ** 63n)), 3),
  d: raw(new Decimal(2, 10, 128), Uint32Array.of(1230, 0, 0, 0, 0xfffffffb, ~0, ~0, ~0, 0, 0, 0, 0), 3),
  f: raw(new Float32(), Float32Array.of(0.1, -0, 16777216), 3),
  g: raw(new Float64(), Float64Array.of(5e-324, Number.NaN, 1e21), 3),
  day: raw(new DateDay(), Int32Array.of(-719162, 19782, 2932896), 3),
  at: raw(new TimestampMicrosecond(), BigInt64Array.of(-1n, 1709251199000001n, 253402300799999999n), 3),
  utc: raw(new TimestampMicrosecond('UTC'), BigInt64Array.of(0n, 1n, 2n), 3),
  text: { type: new Utf8(), data: text },
  ok: { type: new Bool(), data: bool },
});

t.test('every digit is kept', async (t) => {
  t.same([...ndjsonLines(batch)].join('').split('\n'), [
    '{"id":9007199254740991,"d":"12.30","f":0.1,"g":5e-324,"day":"0001-01-01","at":"1969-12-31T23:59:59.999999","utc":"1970-01-01T00:00:00.000000Z","text":"a\\"\\n⛵","ok":true}',
    '{"id":"9007199254740992","d":"-0.05","f":-0,"g":"NaN","day":"2024-02-29","at":"2024-02-29T23:59:59.000001","utc":"1970-01-01T00:00:00.000001Z","text":null,"ok":false}',
    '{"id":"-9223372036854775808","d":"0.00","f":16777216,"g":1e+21,"day":"9999-12-31","at":"9999-12-31T23:59:59.999999","utc":"1970-01-01T00:00:00.000002Z","text":"","ok":null}',
    '',
  ]);
});

t.test('a row that would look like an end record is refused', async (t) => {
  const odd = batchOf({ _tablepipe: raw(new Int32(), Int32Array.of(1), 1) });
  t.throws(() => [...ndjsonLines(odd)], { kind: 'usage' } as object as Error);
});

t.test('Singer: a schema, records whose integers are bare, a state', async (t) => {
  const stream = { stream: 's-t', primaryKey: ['id'], cursorColumns: ['at', 'id'] };
  const schema = JSON.parse(singerSchema(stream, batch.schema)) as { schema: { properties: Record<string, unknown> } };
  t.match(schema, { type: 'SCHEMA', stream: 's-t', key_properties: ['id'], bookmark_properties: ['at', 'id'] });
  t.same(schema.schema.properties.d, { type: ['null', 'string'], format: 'singer.decimal', precision: 10, scale: 2 });
  t.same(schema.schema.properties.id, { type: ['null', 'integer'] });
  const [, second = '', third = ''] = [...singerRecords(stream, batch)].join('').split('\n');
  t.match(
    second,
    /^{"type":"RECORD","stream":"s-t","record":{"id":9007199254740992,.*"at":"2024-02-29T23:59:59.000001Z"/,
  );
  t.match(third, /"id":-9223372036854775808,/);
  t.equal(
    singerState(stream, ['x', '1']),
    '{"type":"STATE","value":{"bookmarks":{"s-t":{"cursor_columns":["at","id"],"cursor":["x","1"]}}}}\n',
  );
});
