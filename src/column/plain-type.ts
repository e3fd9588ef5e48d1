/**
 * The types of other programs' Arrow as types every reader of Parquet understands: the same where one does, a wider
 * or plainer one where it holds every value, a refusal with its cure for the rest (reference/arrow-parquet.md 2.4, 3;
 * reference/redshift.md 1.3).
 */
import {
  Binary,
  DataType,
  DateDay,
  Decimal,
  Float32,
  Int16,
  Int32,
  Int64,
  TimeMillisecond,
  TimeUnit,
  Timestamp,
  Utf8,
} from 'apache-arrow';
import { Failure } from '../errors.js';
import type { ParquetTarget } from './parquet-schema.js';

const NESTED = 'Make it a text, with to_json or the like, or make columns of its parts.';

/** The type a column is written with; 65, with the cure, for one that has none. */
export function plainType(name: string, type: DataType, target: ParquetTarget): DataType {
  if (DataType.isDictionary(type)) return plainType(name, type.dictionary as DataType, target);
  if (DataType.isBool(type) || DataType.isUtf8(type) || DataType.isBinary(type)) return type;
  if (DataType.isLargeUtf8(type) || DataType.isUtf8View(type)) return new Utf8();
  if (DataType.isLargeBinary(type) || DataType.isBinaryView(type)) return new Binary();
  if (DataType.isFixedSizeBinary(type)) return target === 'any' ? type : new Binary();
  if (DataType.isFloat(type)) return type.precision === 0 ? new Float32() : type;
  if (DataType.isDecimal(type)) return decimal(name, type, target);
  // Milliseconds since 1970 would be a bare number in Parquet, and so would seconds.
  if (DataType.isDate(type)) return type.unit === 0 ? type : new DateDay();
  if (DataType.isTimestamp(type)) return timestamp(type, target);
  if (target === 'redshift' && DataType.isInt(type)) return integer(type);
  if (DataType.isInt(type)) return type;
  if (target === 'any' && DataType.isTime(type)) return type.unit === TimeUnit.SECOND ? new TimeMillisecond() : type;
  throw refused(name, type, cureOf(type));
}

/** Redshift takes 16, 32 and 64 bits with a sign, and nothing else. */
function integer(type: DataType & { bitWidth: number; isSigned: boolean }): DataType {
  if (type.isSigned) return type.bitWidth === 8 ? new Int16() : type;
  if (type.bitWidth === 8) return new Int16();
  if (type.bitWidth === 16) return new Int32();
  return type.bitWidth === 32 ? new Int64() : new Decimal(0, 20, 128);
}

function decimal(name: string, type: Decimal, target: ParquetTarget): DataType {
  const { precision, scale, bitWidth } = type;
  if (scale < 0 || scale > precision) {
    throw refused(
      name,
      type,
      `Cast it to a decimal of ${precision - Math.min(scale, 0)} digits with a scale of its own.`,
    );
  }
  if (precision <= 38) return bitWidth === 128 ? type : new Decimal(scale, precision, 128);
  if (target === 'any') return type;
  throw refused(name, type, 'Redshift counts to 38 digits: cast it to fewer, or to a text.');
}

/** Seconds mean nothing to most readers, and nanoseconds were read as microseconds by Redshift. */
function timestamp(type: Timestamp, target: ParquetTarget): DataType {
  const exact = type.unit === TimeUnit.MICROSECOND || (type.unit === TimeUnit.NANOSECOND && target === 'any');
  return exact ? type : new Timestamp(TimeUnit.MICROSECOND, type.timezone);
}

function cureOf(type: DataType): string {
  if (DataType.isTime(type)) return 'Make it a text (HH:MM:SS.ffffff), or say --target any for other readers.';
  if (DataType.isDuration(type)) return 'Make it a number, of microseconds for instance.';
  if (DataType.isInterval(type)) return 'Make it a text, or a number of microseconds.';
  if (DataType.isNull(type))
    return 'Every value is NULL and none says a type: cast the column to one, or leave it out.';
  return NESTED;
}

function refused(name: string, type: DataType, hint: string): Failure {
  const said = (type as { toString(): string }).toString();
  return new Failure('data', `the column ${name} is ${said}, which cannot be written exactly`, { hint });
}
