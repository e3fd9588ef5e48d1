/** Numbers, dates and times of one Arrow width or unit in another that holds them exactly. */
import { type Data, DataType, TimeUnit } from 'apache-arrow';
import { uint16ToFloat64 } from 'apache-arrow/util/math';

/** Told of a row whose value the other type cannot hold. */
export type Lost = (row: number, why: string) => void;

type Words = Uint32Array<ArrayBuffer>;

/** The values of `rows` rows of `data` for a column of type `to`; what stands under a NULL does not count. */
export function plainNumbers(
  data: Data,
  rows: number,
  to: DataType,
  isNull: (row: number) => boolean,
  lost: Lost,
): ArrayBufferView {
  const from = data.type as DataType;
  if (DataType.isDecimal(to))
    return DataType.isDecimal(from) ? decimals(data, rows, isNull, lost) : unsigned(data, rows);
  if (DataType.isFloat(from)) return Float32Array.from(data.values.subarray(0, rows) as Uint16Array, uint16ToFloat64);
  if (DataType.isDate(from)) return days(data, rows, isNull, lost);
  if (DataType.isTimestamp(from)) return microseconds(data, rows, from.unit, isNull, lost);
  if (DataType.isTime(from))
    return Int32Array.from(data.values.subarray(0, rows) as Int32Array, (value) => value * 1000);
  return integers(data, rows, to as DataType & { bitWidth: number });
}

function integers(data: Data, rows: number, { bitWidth }: { bitWidth: number }): ArrayBufferView {
  const values = data.values.subarray(0, rows) as Uint8Array | Int8Array | Uint16Array | Uint32Array;
  if (bitWidth === 16) return Int16Array.from(values);
  if (bitWidth === 32) return Int32Array.from(values);
  return BigInt64Array.from(values as Uint32Array, BigInt);
}

/** 64 bits without a sign, as decimals of 20 digits. */
function unsigned(data: Data, rows: number): Words {
  const values = data.values as unknown as BigUint64Array;
  const words = new Uint32Array(4 * rows);
  const halves = new Uint32Array(values.buffer, values.byteOffset, 2 * rows);
  for (let row = 0; row < rows; row += 1) words.set(halves.subarray(2 * row, 2 * row + 2), 4 * row);
  return words;
}

/** 32, 64 or 256 bits as 128. */
function decimals(data: Data, rows: number, isNull: (row: number) => boolean, lost: Lost): Words {
  const { buffer, byteOffset } = data.values as unknown as Uint32Array;
  const width = (data.type as DataType & { bitWidth: number }).bitWidth / 32;
  const source = new Int32Array(buffer, byteOffset, width * rows);
  const words = new Uint32Array(4 * rows);
  for (let row = 0; row < rows; row += 1) {
    if (isNull(row)) continue;
    const at = row * width;
    const top = Math.min(width, 4);
    const sign = (source[at + top - 1] ?? 0) >> 31;
    for (let word = 0; word < 4; word += 1) words[4 * row + word] = word < top ? (source[at + word] ?? 0) : sign;
    if (source.subarray(at + top, at + width).some((word) => word !== sign)) lost(row, 'has more than 38 digits');
  }
  return words;
}

const DAY_MS = 86_400_000n;

function days(data: Data, rows: number, isNull: (row: number) => boolean, lost: Lost): Int32Array {
  const values = data.values as unknown as BigInt64Array;
  const found = new Int32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const value = isNull(row) ? 0n : (values[row] ?? 0n);
    if (value % DAY_MS !== 0n) lost(row, 'has a time of day, which a date cannot hold');
    found[row] = Number(value / DAY_MS);
  }
  return found;
}

function microseconds(
  data: Data,
  rows: number,
  unit: TimeUnit,
  isNull: (row: number) => boolean,
  lost: Lost,
): BigInt64Array {
  const values = data.values as unknown as BigInt64Array;
  const factor = unit === TimeUnit.SECOND ? 1_000_000n : 1000n;
  const found = new BigInt64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    if (isNull(row)) continue;
    const value = values[row] ?? 0n;
    if (unit === TimeUnit.NANOSECOND) {
      if (value % 1000n !== 0n) lost(row, 'has nanoseconds, which a timestamp in microseconds cannot hold');
      found[row] = value / 1000n;
      continue;
    }
    found[row] = value * factor;
    if (found[row] !== value * factor) lost(row, 'is a time beyond 64 bits of microseconds');
  }
  return found;
}
