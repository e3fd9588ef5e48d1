/** Peak memory of the real program, as the kernel counts it (VmHWM), for rows and batches of the widest kinds. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Field, Int64, RecordBatch, Schema, Struct, Utf8, makeData } from 'apache-arrow';
import t from 'tap';
import { batchBytes, endBytes, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { ordersEnd } from '../fixture/orders-arrow.js';
import { start } from '../support/program.js';

t.setTimeout(180_000);

const MIB = 1 << 20;
const schema = new Schema([new Field('id', new Int64(), false), new Field('text', new Utf8(), true)]);

/** Texts nothing compresses, `rows` of them, each of `rowBytes`. */
function batch(first: number, rows: number, rowBytes: number): Uint8Array {
  const text = Buffer.from(randomBytes(Math.ceil((rows * rowBytes * 3) / 4)).toString('base64'));
  const ids = BigInt64Array.from({ length: rows }, (_, row) => BigInt(first + row));
  const valueOffsets = Int32Array.from({ length: rows + 1 }, (_, row) => row * rowBytes);
  const children = [
    makeData({ type: new Int64(), length: rows, nullCount: 0, data: ids }),
    makeData({ type: new Utf8(), length: rows, nullCount: 0, valueOffsets, data: text }),
  ];
  const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children });
  return batchBytes(new RecordBatch(schema, data) as unknown as RecordBatch);
}

/** Feeds the program and resolves to its peak, in bytes. It is alive until the end record, so the peak is seen. */
async function peak(words: readonly string[], batches: number, rows: number, rowBytes: number): Promise<number> {
  const child = start('to-parquet', ['--target', 'any', ...words]);
  let [out, said] = [0, ''];
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.length));
  child.stderr?.on('data', (chunk: Buffer) => (said += String(chunk)));
  let most = 0;
  const look = (): void => {
    try {
      const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
      most = Math.max(most, 1024 * Number(kilobytes ?? 0));
    } catch {
      // It has just ended.
    }
  };
  const looking = setInterval(look, 10);
  const send = async (bytes: Uint8Array): Promise<void> => {
    if (!child.stdin?.write(bytes)) await once(child.stdin as NodeJS.WritableStream, 'drain');
  };
  const closed = once(child, 'close');
  await send(schemaBytes(schema));
  for (let index = 0; index < batches; index += 1) await send(batch(1 + index * rows, rows, rowBytes));
  child.stdin?.end(endBytes(ordersEnd(batches * rows, { to: null, cursor_columns: [] })));
  const [code] = (await closed) as [number];
  clearInterval(looking);
  if (code !== 0) throw new Error(`ended with ${code}: ${said}`);
  if (out < batches * rows * rowBytes * 0.7) throw new Error(`only ${out} bytes were written`);
  return most;
}

for (const [name, words, batches, rows, rowBytes, most] of [
  ['texts of 4 MB in batches of 16 MB', [], 8, 4, 4_000_000, 200],
  ['the same in files of 32 MiB', ['--split-size', '32MiB'], 6, 4, 4_000_000, 200],
  ['texts of 1 kB in batches of 16 MB', [], 6, 16_000, 1000, 200],
  // The longest row MariaDB sends by default. The encoder's own memory alone is 127 MiB then.
  ['texts of 16 MB', [], 5, 1, 16_000_000, 280],
] as const) {
  t.test(`at most ${most} MiB: ${name}`, async (t) => {
    const bytes = await peak(words, batches, rows, rowBytes);
    t.comment(`${(bytes / MIB).toFixed(0)} MiB`);
    t.ok(bytes > 50 * MIB && bytes <= most * MIB, `${(bytes / MIB).toFixed(0)} MiB`);
  });
}
