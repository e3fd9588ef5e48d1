import { Int32, RecordBatchReader, Table, Utf8, vectorFromArray } from 'apache-arrow';
import t from 'tap';
import { ARROW_END, batchBytes, decodeBatch, endBytes, joined, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { type ArrowItem, arrowFrames } from '../../src/codec/arrow-frames.js';
import type { EndRecord } from '../../src/end-record.js';
import { Failure, codeOf } from '../../src/errors.js';

const table = new Table({
  id: vectorFromArray([1, 2, 3], new Int32()),
  name: vectorFromArray(['a', null, 'ü'], new Utf8()),
});
const record: EndRecord = {
  status: 'complete',
  rows: 6,
  bytes: 0,
  run_id: 'r',
  table: 's.t',
  cursor_columns: ['id'],
  from: null,
  to: ['3'],
  code: 0,
};
const schema = schemaBytes(table.schema);
const batch = batchBytes(table.batches[0]!);
const complete = joined([schema, batch, batch, endBytes(record)]);
const aborted = joined([schema, batch, endBytes({ ...record, status: 'aborted', rows: 3, code: 75 })]);

async function read(bytes: Uint8Array, step = bytes.length): Promise<ArrowItem[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  const items: ArrowItem[] = [];
  for await (const item of arrowFrames()(chunks(), new AbortController().signal)) items.push(item);
  return items;
}

async function codeFor(bytes: Uint8Array): Promise<number> {
  try {
    await read(bytes);
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return codeOf(error);
  }
}

t.test('a complete stream gives its messages and its end record, however it is chunked', async (t) => {
  for (const step of [1, 7, 64, complete.length]) {
    const items = await read(complete, step);
    t.same(
      items.map((item) => item.kind),
      ['schema', 'batch', 'batch', 'end'],
    );
    t.same(items[3], { kind: 'end', record });
  }
  const items = await read(complete);
  const [first, second] = items;
  if (first?.kind !== 'schema' || second?.kind !== 'batch') throw new Error('order');
  t.equal(second.rows, 3);
  t.same(decodeBatch(first.bytes, second.bytes).toArray().map(String), table.toArray().map(String));
});

t.test('any Arrow reader sees the data stream and stops at its marker', async (t) => {
  const rows = [...RecordBatchReader.from(complete)].map((one) => one.numRows);
  t.same(rows, [3, 3]);
});

t.test('a cut at every byte is refused as truncated, never accepted', async (t) => {
  const codes = new Set<number>();
  for (let length = 0; length < complete.length; length += 1) codes.add(await codeFor(complete.subarray(0, length)));
  t.same([...codes], [82]);
});

t.test('an abort record passes its status on, and a cut abort record does not', async (t) => {
  t.equal(await codeFor(aborted), 75);
  for (let length = 0; length < aborted.length; length += 1) {
    const code = await codeFor(aborted.subarray(0, length));
    if (code !== 82) t.fail(`cut at ${length} gave ${code}`);
  }
  t.equal(await codeFor(endBytes({ ...record, status: 'aborted', rows: 0, code: 66 })), 66, 'before any schema');
});

t.test('what does not add up is malformed', async (t) => {
  t.equal(await codeFor(joined([schema, batch, endBytes(record)])), 65, 'a batch is missing');
  t.equal(await codeFor(joined([schema, batch, batch, ARROW_END, endBytes(record)])), 65, 'two markers');
  t.equal(await codeFor(joined([complete, Uint8Array.of(1)])), 82, 'the start of something after the end');
  t.equal(await codeFor(joined([complete, ARROW_END])), 65, 'something after the end');
  t.equal(await codeFor(joined([schema, schema, batch, endBytes(record)])), 65, 'two schemas');
  t.equal(await codeFor(joined([batch, endBytes(record)])), 65, 'no schema');
  t.equal(await codeFor(Buffer.from('{"id":1}\n{"id":2}\n')), 65, 'not Arrow at all');
  const endless = joined([schema, batch]);
  t.equal(
    await codeFor(joined([endless, endBytes({ ...record, rows: 3 }).subarray(8)])),
    65,
    'success without the marker',
  );
});

t.test('a flipped bit in a header is refused and allocates nothing large', async (t) => {
  const codes = new Set<number>();
  for (let bit = 0; bit < 64 * 8; bit += 1) {
    const damaged = Uint8Array.from(complete);
    const at = schema.length + (bit >> 3);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
    codes.add(await codeFor(damaged));
  }
  for (const code of codes) t.ok([0, 65, 82].includes(code), `status ${code}`);
  t.ok(codes.has(65));
});
