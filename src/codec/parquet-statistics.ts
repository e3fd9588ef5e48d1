/** Minimum, maximum and NULL count of a column chunk, as exact text (Statistics of parquet.thrift, plain encoding). */
import { DataType } from 'apache-arrow';
import { scaledText } from '../column/decimal-text.js';
import { dateText, timestampText } from '../column/time-text.js';
import type { ColumnPart } from './parquet-footer.js';
import { TYPE } from './thrift-compact.js';

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
  const bound = (id: number): string | null => {
    const value = fields.get(id);
    return value?.type === TYPE.binary && type ? valueText(Buffer.from(value.value), type) : null;
  };
  const nulls = fields.get(NULLS);
  return { nulls: nulls?.type === TYPE.i64 ? Number(nulls.value) : null, min: bound(MIN), max: bound(MAX) };
}

function valueText(bytes: Buffer, type: DataType): string | null {
  if (DataType.isBool(type)) return bytes[0] === 1 ? 'true' : 'false';
  // Decimals of more than 18 digits are big-endian; everything of four or eight bytes is little-endian.
  if (DataType.isDecimal(type)) {
    const units =
      type.precision > 18
        ? bigEndian(bytes)
        : bytes.length === 4
          ? BigInt(bytes.readInt32LE())
          : bytes.readBigInt64LE();
    return scaledText(units, type.scale);
  }
  if (DataType.isFloat(type)) return String(bytes.length === 4 ? bytes.readFloatLE() : bytes.readDoubleLE());
  if (DataType.isDate(type) && bytes.length === 4) return dateText(bytes.readInt32LE());
  if (DataType.isTimestamp(type) && type.unit === 2) return timestampText(bytes.readBigInt64LE(), 6);
  if (DataType.isInt(type)) return String(bytes.length === 4 ? bytes.readInt32LE() : bytes.readBigInt64LE());
  return DataType.isUtf8(type) ? bytes.toString('utf8') : bytes.toString('hex');
}

function bigEndian(bytes: Buffer): bigint {
  const value = BigInt(`0x${bytes.toString('hex') || '0'}`);
  return BigInt.asIntN(bytes.length * 8, value);
}
