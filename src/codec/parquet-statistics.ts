/** Minimum, maximum and NULL count of a column chunk, as exact text (Statistics of parquet.thrift, plain encoding). */
import { DataType, TimeUnit } from 'apache-arrow';
import { scaledText } from '../column/decimal-text.js';
import { clockText, dateText, timestampText } from '../column/time-text.js';
import type { ColumnPart } from './parquet-row-group.js';
import { TYPE } from './thrift-compact.js';

const PHYSICAL = 1;
const STATISTICS = 12;
const NULLS = 3;
const MAX = 5;
const MIN = 6;

export interface ColumnStatistics {
  nulls: number | null;
  /** null when unknown; strings may be cut to their first bytes by the writer. */
  min: string | null;
  max: string | null;
}

/** What the footer knows of one column chunk. */
export function statisticsOf(part: ColumnPart, type: DataType | undefined): ColumnStatistics {
  const found = part.meta.get(STATISTICS);
  const fields = found?.type === TYPE.struct ? found.value : new Map();
  const kind = part.meta.get(PHYSICAL);
  const physical = kind?.type === TYPE.i32 ? kind.value : undefined;
  const bound = (id: number): string | null => {
    const value = fields.get(id);
    return value?.type === TYPE.binary && type ? valueText(Buffer.from(value.value), type, physical) : null;
  };
  const nulls = fields.get(NULLS);
  return { nulls: nulls?.type === TYPE.i64 ? Number(nulls.value) : null, min: bound(MIN), max: bound(MAX) };
}

/** Parquet's physical types (Type of parquet.thrift) that are read here, by number. */
const BYTES_OF: Readonly<Record<number, number>> = { 0: 1, 1: 4, 2: 8, 4: 4, 5: 8 };
const BYTE_ARRAYS = [6, 7];

/** Bytes that are not of the length their type has, as hex. */
function valueText(bytes: Buffer, type: DataType, physical = -1): string {
  const hex = bytes.toString('hex');
  if (DataType.isUtf8(type)) return bytes.toString('utf8');
  if (BYTE_ARRAYS.includes(physical)) return DataType.isDecimal(type) ? scaledText(bigEndian(bytes), type.scale) : hex;
  if (BYTES_OF[physical] !== bytes.length) return hex;
  if (DataType.isBool(type)) return bytes[0] === 1 ? 'true' : 'false';
  if (DataType.isFloat(type)) return String(bytes.length === 4 ? bytes.readFloatLE() : bytes.readDoubleLE());
  const units = bytes.length === 4 ? BigInt(bytes.readInt32LE()) : bytes.readBigInt64LE();
  if (DataType.isDecimal(type)) return scaledText(units, type.scale);
  if (DataType.isInt(type)) return String(type.isSigned ? units : BigInt.asUintN(bytes.length * 8, units));
  if (DataType.isDate(type) && type.unit === 0) return dateText(Number(units));
  if (DataType.isTimestamp(type)) return momentText(units, type.unit);
  if (DataType.isTime(type)) return clockText(toMicroseconds(units, type.unit), type.unit === TimeUnit.SECOND ? 0 : 6);
  return hex;
}

/** Microseconds, and the three digits below them where there are any. */
function momentText(units: bigint, unit: TimeUnit): string {
  const below = unit === TimeUnit.NANOSECOND ? String(((units % 1000n) + 1000n) % 1000n).padStart(3, '0') : '';
  return `${timestampText(toMicroseconds(units, unit), unit === TimeUnit.SECOND ? 0 : 6)}${below}`;
}

function toMicroseconds(units: bigint, unit: TimeUnit): bigint {
  if (unit === TimeUnit.SECOND) return units * 1_000_000n;
  if (unit === TimeUnit.MILLISECOND) return units * 1000n;
  return unit === TimeUnit.MICROSECOND ? units : (units - (((units % 1000n) + 1000n) % 1000n)) / 1000n;
}

function bigEndian(bytes: Buffer): bigint {
  const value = BigInt(`0x${bytes.toString('hex') || '0'}`);
  return BigInt.asIntN(bytes.length * 8, value);
}
