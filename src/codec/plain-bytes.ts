/** Texts and bytes of the other Arrow layouts (64-bit offsets, views, fixed width) with offsets of 32 bits. */
import { type Data, DataType } from 'apache-arrow';
import { Failure } from '../errors.js';

/** What one column of one batch may hold. */
const MOST_BYTES = 2 ** 31 - 1;

/** A view of up to this many bytes holds them itself (Columnar format, Variable-size Binary View Layout). */
const INLINE_BYTES = 12;
const VIEW_BYTES = 16;

export interface PlainBytes {
  valueOffsets: Int32Array;
  data: Uint8Array;
}

/** The values of `rows` rows; bytes are copied only where views or a dictionary scatter them. */
export function plainBytes(data: Data, rows: number, isNull: (row: number) => boolean): PlainBytes {
  const type = data.type as DataType;
  const values = data.values as unknown as Uint8Array;
  if (DataType.isFixedSizeBinary(type)) {
    return { valueOffsets: Int32Array.from({ length: rows + 1 }, (_, row) => row * type.byteWidth), data: values };
  }
  if (DataType.isUtf8View(type) || DataType.isBinaryView(type)) {
    return gathered(rows, (row) => (isNull(row) ? values.subarray(0, 0) : viewed(data, row)));
  }
  const offsets = data.valueOffsets as unknown as BigInt64Array;
  return { valueOffsets: Int32Array.from({ length: rows + 1 }, (_, row) => Number(offsets[row] ?? 0n)), data: values };
}

/** The parts one behind the other. */
export function gathered(rows: number, part: (row: number) => Uint8Array): PlainBytes {
  const parts = Array.from({ length: rows }, (_, row) => part(row));
  const valueOffsets = new Int32Array(rows + 1);
  let bytes = 0;
  for (const [row, { length }] of parts.entries()) {
    bytes += length;
    if (bytes > MOST_BYTES)
      throw new Failure('data', 'a column of one batch has more than 2 GiB', { hint: 'Send smaller batches.' });
    valueOffsets[row + 1] = bytes;
  }
  return { valueOffsets, data: Buffer.concat(parts, bytes) };
}

function viewed(data: Data, row: number): Uint8Array {
  const views = data.values as unknown as Uint8Array;
  const at = row * VIEW_BYTES;
  const view = new DataView(views.buffer, views.byteOffset + at, VIEW_BYTES);
  const length = view.getInt32(0, true);
  if (length <= INLINE_BYTES) return views.subarray(at + 4, at + 4 + length);
  const start = view.getInt32(12, true);
  const bytes = data.variadicBuffers[view.getInt32(8, true)]?.subarray(start, start + length);
  if (bytes?.length !== length) throw new Failure('data', 'a view of the Arrow stream points outside its batch');
  return bytes;
}
