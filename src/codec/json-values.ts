/**
 * Arrow values as JSON texts, with every digit. What JSON numbers cannot carry to every reader goes in quotes:
 * integers beyond 2^53 (reference/cli-ux.md section 10) and all decimals, so a column of decimals is always text.
 *
 *     integer   7, "9007199254740993"         date        "2024-02-29"
 *     decimal   "12.30"                       timestamp   "2024-02-29T23:59:59.000001", with Z when it is UTC
 *     float     0.1 (32 bits: its own digits) time        "23:59:59.000001"
 *     bytes     base64                        list, structure, map: arrays and objects of these
 *
 * A day or moment beyond the year 275760, such as the "infinity" of some writers, is its number.
 */
import { type Data, DataType, type RecordBatch, type Struct, TimeUnit, type Timestamp, Vector } from 'apache-arrow';
import { decimalText } from '../column/decimal-text.js';
import { clockText } from '../column/time-text.js';

/** How 64-bit integers beyond 2^53 are written. */
export type WideIntegers = 'quoted' | 'bare';

/** The JSON text of the value in a row. */
type Cell = (row: number) => string;

const DAY_MS = 86_400_000;

/** One function a column of the batch, in column order; each gives `null` for an absent value. */
export function jsonCells(batch: RecordBatch, wide: WideIntegers = 'quoted'): Cell[] {
  return batch.data.children.map((data) => nullableCell(data, wide));
}

function nullableCell(data: Data, wide: WideIntegers): Cell {
  const value = cellOf(data, wide);
  return data.nullCount === 0 ? value : (row) => (data.getValid(row) ? value(row) : 'null');
}

function cellOf(data: Data, wide: WideIntegers): Cell {
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
    return (row) => `"${dayText(Number(values[row]), scale)}"`;
  }
  if (DataType.isTime(type))
    return (row) => `"${clockOf(BigInt((data.values as BigInt64Array)[row] ?? 0), type.unit)}"`;
  if (DataType.isFloat(type) && type.precision === 2) return (row) => floatText(values[row] as number);
  if (DataType.isList(type))
    return listCell(data, (row) => [data.valueOffsets[row] ?? 0, data.valueOffsets[row + 1] ?? 0]);
  if (DataType.isFixedSizeList(type)) return listCell(data, (row) => [row * type.listSize, (row + 1) * type.listSize]);
  if (DataType.isStruct(type)) return structCell(data);
  if (DataType.isMap(type)) return mapCell(data);
  const vector = new Vector([data]);
  if (DataType.isFloat(type)) return (row) => shortFloatText(vector.get(row) as number);
  return (row) => otherText(vector.get(row));
}

function listCell(data: Data, range: (row: number) => [number, number]): Cell {
  const item = nullableCell(data.children[0] as Data, 'quoted');
  return (row) => {
    const [start, end] = range(row);
    return `[${Array.from({ length: end - start }, (_, index) => item(start + index)).join(',')}]`;
  };
}

function structCell(data: Data): Cell {
  const { children } = data.type as Struct;
  const members = children.map(({ name }, index) => {
    const value = nullableCell(data.children[index] as Data, 'quoted');
    return (row: number) => `${JSON.stringify(name)}:${value(row)}`;
  });
  return (row) => `{${members.map((member) => member(row)).join(',')}}`;
}

/** An object; keys that are not texts are put in quotes. */
function mapCell(data: Data): Cell {
  const [keys, values] = (data.children[0] as Data).children.map((child) => nullableCell(child, 'quoted'));
  return (row) => {
    const pairs: string[] = [];
    for (let at = data.valueOffsets[row] ?? 0; at < (data.valueOffsets[row + 1] ?? 0); at += 1) {
      const key = keys?.(at) ?? '';
      pairs.push(`${key.startsWith('"') ? key : JSON.stringify(key)}:${values?.(at)}`);
    }
    return `{${pairs.join(',')}}`;
  };
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
  const whole = Number((value - fraction) / unit) * 1000;
  if (Math.abs(whole) > DATE_MS) return String(value);
  const seconds = isoTime(whole).slice(0, -5);
  const decimals = digits > 0 ? `.${String(fraction).padStart(digits, '0')}` : '';
  return `${seconds}${decimals}${type.timezone ? 'Z' : ''}`;
}

/** A time of day. */
function clockOf(value: bigint, unit: TimeUnit): string {
  const digits = FRACTION_DIGITS[unit];
  const scale = 10n ** BigInt(digits);
  const clock = clockText((value / scale) * 1_000_000n, 0);
  return digits > 0 ? `${clock}.${String(value % scale).padStart(digits, '0')}` : clock;
}

function dayText(value: number, scale: number): string {
  return Math.abs(value * scale) > DATE_MS ? String(value) : isoTime(value * scale).slice(0, -14);
}

/** The range of a Date (ECMA-262, "Time Values and Time Range"). */
const DATE_MS = 8.64e15;

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

/** Text, truth, bytes, and what is rarer still. */
function otherText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  return JSON.stringify(value, (_, inner: unknown) => {
    if (ArrayBuffer.isView(inner)) return [...(inner as unknown as Iterable<unknown>)];
    return typeof inner === 'bigint' ? String(inner) : inner;
  });
}
