/**
 * Which columns are written with a dictionary. One that is nearly unique costs time and space with it
 * (measured: a third of the encoder's time), so the first batch of each file is sampled: a dictionary is worth it
 * when the second half of the sample brings few values the first half did not have.
 */
import { type Data, DataType, type RecordBatch } from 'apache-arrow';
import { layoutOf } from './arrow-cut.js';

/** Below this many rows a dictionary can neither help nor hurt. */
const LEAST_ROWS = 64;

/** Longer values are hardly ever repeated, and hashing them would cost more than it saves. */
const LONG_VALUE_BYTES = 256;

/** New values in the second half, as a part of those in the first, above which a dictionary is left out. */
const GROWTH = 0.3;

/** Names of the columns of `batch`, the first of a file, that are too varied for a dictionary. */
export function withoutDictionary(batch: RecordBatch): string[] {
  if (batch.numRows < LEAST_ROWS) return [];
  return batch.schema.fields
    .filter((field, index) => {
      const data = batch.data.children[index];
      return data !== undefined && !DataType.isBool(field.type) && isVaried(data, batch.numRows);
    })
    .map((field) => field.name);
}

function isVaried(data: Data, rows: number): boolean {
  const span = spanOf(data);
  if (!span || span(rows - 1)[1] - span(0)[0] > rows * LONG_VALUE_BYTES) return true;
  const bytes = bytesOf(data);
  const seen = new Set<number>();
  const half = rows >> 1;
  for (let row = 0; row < half; row += 1) seen.add(hash(bytes, ...span(row)));
  const before = seen.size;
  for (let row = half; row < rows; row += 1) seen.add(hash(bytes, ...span(row)));
  return seen.size > rows / 20 && seen.size - before > before * GROWTH;
}

/** Where the value of a row lies in the column's bytes. */
function spanOf(data: Data): ((row: number) => [number, number]) | undefined {
  const layout = layoutOf(data.type as DataType);
  if (layout?.kind === 'fixed') {
    const { width } = layout;
    return (row) => [row * width, (row + 1) * width];
  }
  if (layout?.kind !== 'variable') return undefined;
  const offsets = data.valueOffsets as Int32Array;
  return (row) => [offsets[row] ?? 0, offsets[row + 1] ?? 0];
}

function bytesOf(data: Data): Uint8Array {
  const values = data.values as Uint8Array;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** FNV-1a, 32 bits: two values in a sample of thousands that share a hash change nothing. */
function hash(bytes: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let at = start; at < end; at += 1) value = Math.imul(value ^ (bytes[at] ?? 0), 0x01000193);
  return value;
}
