import t from 'tap';
import { type Receipt, type ReceiptItem, type ReceiptsEnd, readReceipts, receiptLine } from '../src/receipt.js';
import { codeOf } from '../src/errors.js';

const receipt = (seq: number): Receipt => ({
  type: 'object',
  v: 1,
  run_id: 'r',
  seq,
  table: 'shop.orders',
  url: `s3://lake/${seq}.parquet`,
  bytes: 10,
  rows: 5,
  etag: '"e"',
  crc32: '00000000',
  schema_id: null,
  read: 'incremental',
  primary_key: ['id'],
  cursor_columns: ['id'],
  from: seq === 0 ? null : [String(seq)],
  to: [String(seq + 1)],
  write_id: 'w',
});
const end: ReceiptsEnd = {
  type: 'end',
  status: 'complete',
  run_id: 'r',
  table: 'shop.orders',
  objects: 2,
  rows: 10,
  bytes: 20,
  code: 0,
};
const text = (...items: ReceiptItem[]): string => items.map(receiptLine).join('');

async function read(input: string | Uint8Array, step = 7): Promise<{ items: ReceiptItem[]; code: number }> {
  const bytes = Buffer.from(input as string);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  const items: ReceiptItem[] = [];
  try {
    for await (const item of readReceipts(chunks())) items.push(item);
    return { items, code: 0 };
  } catch (error) {
    return { items, code: codeOf(error) };
  }
}

t.test('receipts arrive in order and close with their end', async (t) => {
  const { items, code } = await read(text(receipt(0), receipt(1), end));
  t.equal(code, 0);
  t.same(items, [receipt(0), receipt(1), end]);
});

t.test('a cut at every byte is refused; receipts before the cut are still seen', async (t) => {
  const whole = text(receipt(0), receipt(1), end);
  for (let length = 0; length < whole.length - 1; length += 1) {
    const { code, items } = await read(whole.slice(0, length), 1024);
    if (code !== 82 && code !== 65) t.fail(`cut at ${length} gave ${code} with ${items.length} items`);
  }
  t.equal((await read(whole.slice(0, text(receipt(0)).length))).code, 82, 'a cut at a line end');
});

t.test('an aborted stream passes its status on', async (t) => {
  t.equal((await read(text(receipt(0), { ...end, status: 'aborted', objects: 1, rows: 5, code: 75 }))).code, 75);
});

t.test('gaps, repeats, wrong counts and strangers are malformed', async (t) => {
  t.equal((await read(text(receipt(0), receipt(0), end))).code, 65, 'a repeat');
  t.equal((await read(text(receipt(1), end))).code, 65, 'a gap');
  t.equal((await read(text(receipt(0), { ...end, objects: 1, rows: 6 }))).code, 65, 'rows differ');
  t.equal((await read(text(receipt(0), end))).code, 65, 'objects differ');
  t.equal((await read(text(receipt(0), receipt(1), end, end))).code, 65, 'something after the end');
  t.equal((await read('{"type":"object"}\n')).code, 65, 'fields are missing');
  t.equal((await read('hello\n')).code, 65, 'not JSON');
  t.equal((await read('x'.repeat(3 << 20), 65_536)).code, 65, 'a line without end');
});
