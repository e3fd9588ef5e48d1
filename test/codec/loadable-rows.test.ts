import { Duration, Field, Schema, TimeUnit } from 'apache-arrow';
import t from 'tap';
import { endBytes, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { type OversizePolicy, loadableRows } from '../../src/codec/loadable-rows.js';
import { openRows } from '../../src/codec/open-rows.js';
import { oneParquetFile } from '../../src/codec/parquet-stream.js';
import { loadableStart } from '../../src/column/redshift-limits.js';
import { gathered } from '../fixture/converted.js';
import { ordersEnd } from '../fixture/orders-arrow.js';
import { duckRows } from '../fixture/parquet-readers.js';
import { textArrow } from '../fixture/text-arrow.js';

t.setTimeout(120_000);

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
  const file = await gathered(
    oneParquetFile(loadableRows(rows, { policy, quarantine, settle: async () => {} }, touched), options),
  );
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
    const input = textArrow(['fine', value, 'also fine ⛵']);
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
  const { file, touched } = await written(textArrow(['x'.repeat(65_535)]), 'fail');
  t.same(await duckRows(file, 'SELECT strlen(text)::INT n FROM $FILE'), [{ n: 65_535 }]);
  t.equal(touched.size, 0);
});

t.test('a character cut between two rows is invalid in both', async (t) => {
  const ship = Buffer.from('⛵');
  await t.rejects(written(textArrow([ship.subarray(0, 2), ship.subarray(2)]), 'fail'), {
    message: /row id = 1 is not valid/,
  });
});

t.test('times outside the years 1 to 9999', async (t) => {
  const last = 253_402_300_799_999_999n;
  await written(textArrow(['a', 'b'], { times: [last, -62_135_596_800_000_000n] }), 'fail');
  await t.rejects(written(textArrow(['a', 'b'], { times: [0n, last + 1n] }), 'fail'), {
    message: /at of the row id = 2 is outside/,
  });
  await t.rejects(written(textArrow(['a'], { times: [-62_135_596_800_000_001n] }), 'fail'), { message: /outside/ });
  const { file } = await written(textArrow(['a', 'b'], { times: [0n, last + 1n] }), 'null');
  t.same(await duckRows(file, 'SELECT count("at")::INT n FROM $FILE'), [{ n: 1 }]);
});

t.test('a column Redshift has no type for is refused by name', async (t) => {
  const odd = new Schema([new Field('d', new Duration(TimeUnit.MICROSECOND))]);
  const input = Buffer.concat([schemaBytes(odd), endBytes(ordersEnd(0))]);
  await t.rejects(written(input, 'fail'), { kind: 'data', message: /column d is Duration/ });
});

t.test('the loadable start of any bytes is valid, short and without NUL', async (t) => {
  t.equal(loadableStart(Buffer.from('ünï')).length, 5);
  t.equal(loadableStart(Buffer.from([0xff])).length, 0);
  t.same(
    Buffer.from(loadableStart(Buffer.concat([Buffer.from('ab⛵'), Buffer.from([0xf0, 0x9f])]))).toString(),
    'ab⛵',
  );
});
