/**
 * Arrow values as JSON texts, with every digit. What JSON numbers cannot carry to every reader goes in quotes:
 * integers beyond 2^53 (reference/cli-ux.md section 10) and all decimals, so a column of decimals is always text.
 *
 *     integer   7, "9007199254740993"         date        "2024-02-29"
 *     decimal   "12.30"                       timestamp   "2024-02-29T23:59:59.000001", with Z when it is UTC
 *     float     0.1 (32 bits: its own digits) bytes       base64
 */
import { type Data, DataType, type RecordBatch, TimeUnit, type Timestamp } from 'apache-arrow';
import { decimalText } from '../column/decimal-text.js';

/** How 64-bit integers beyond 2^53 are written. */
export type WideIntegers = 'quoted' | 'bare';

/** The JSON text of the value in a row. */
type Cell = (row: number) => string;

const DAY_MS = 86_400_000;

/** One function a column of the batch, in column order; each gives `null` for an absent value. */
export function jsonCells(batch: RecordBatch, wide: WideIntegers = 'quoted'): Cell[] {
  return batch.schema.fields.map((field, index) => {
    const data = batch.data.children[index];
    if (!data) throw new Error(`the batch has no column ${field.name}`);
    const value = cellOf(data, batch, index, wide);
    return data.nullCount === 0 ? value : (row) => (data.getValid(row) ? value(row) : 'null');
  });
}

function cellOf(data: Data, batch: RecordBatch, column: number, wide: WideIntegers): Cell {
  const { type } = data;
  const values = data.values as ArrayLike<number>;
  const bigints = data.values as BigInt64Array;
  if (DataType.isInt(type)) {
    return type.bitWidth < 64 ? (row) => String(values[row]) : (row) => integerText(bigints[row] ?? 0n, wide);
  }
  if (DataType.isDecimal(type)) return (row) => `"${decimalText(data.values as Uint32Array, row, type)}"`;
  if (DataType.isTimestamp(type)) return (row) => `"${timestampText(bigints[row] ?? 0n, type)}"`;
  if (DataType.isDate(type)) {
    const scale = type.unit === 0 ? DAY_MS : 1;
    return (row) => `"${isoTime(Number(values[row]) * scale).slice(0, -14)}"`;
  }
  const vector = batch.getChildAt(column);
  if (DataType.isFloat(type)) {
    return type.precision === 2
      ? (row) => floatText(values[row] as number)
      : (row) => shortFloatText(vector?.get(row) as number);
  }
  return (row) => otherText(vector?.get(row));
}

function integerText(value: bigint, wide: WideIntegers): string {
  const safe = value <= 9_007_199_254_740_991n && value >= -9_007_199_254_740_991n;
  return safe || wide === 'bare' ? String(value) : `"${value}"`;
}

const FRACTION_DIGITS = {
  [TimeUnit.SECOND]: 0,
  [TimeUnit.MILLISECOND]: 3,
  [TimeUnit.MICROSECOND]: 6,
  [TimeUnit.NANOSECOND]: 9,
};

function timestampText(value: bigint, type: Timestamp): string {
  const digits = FRACTION_DIGITS[type.unit];
  const unit = 10n ** BigInt(digits);
  const fraction = ((value % unit) + unit) % unit;
  const seconds = isoTime(Number((value - fraction) / unit) * 1000).slice(0, -5);
  const decimals = digits > 0 ? `.${String(fraction).padStart(digits, '0')}` : '';
  return `${seconds}${decimals}${type.timezone ? 'Z' : ''}`;
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** JSON has no word for what is not a number, and JSON.stringify no minus for a zero. */
function floatText(value: number): string {
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? JSON.stringify(value) : `"${value}"`;
}

/** The fewest digits that give the same 32 bits back. */
function shortFloatText(value: number): string {
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(short), value)) return floatText(short);
  }
  return floatText(value);
}

/** Text, truth, bytes, and what only other writers' streams hold: lists and structures. */
function otherText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return JSON.stringify(value, (_, inner: unknown) => {
    if (inner instanceof Uint8Array) return Buffer.from(inner).toString('base64');
    return typeof inner === 'bigint' ? integerJson(inner) : inner;
  });
}

function integerJson(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}
