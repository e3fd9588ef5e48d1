/**
 * Arrow types as short words and back: the spelling in the schema files that `from-parquet --schema` prints and
 * `to-parquet --schema` reads.
 *
 *     bool int8 … int64 uint8 … uint64 float32 float64 decimal(12,2) string binary date
 *     timestamp (microseconds, no zone)  timestamptz (microseconds, UTC)
 */
import {
  Binary,
  Bool,
  DataType,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  TimeUnit,
  TimestampMicrosecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow';

const NAMED: Readonly<Record<string, () => DataType>> = {
  bool: () => new Bool(),
  int8: () => new Int8(),
  int16: () => new Int16(),
  int32: () => new Int32(),
  int64: () => new Int64(),
  uint8: () => new Uint8(),
  uint16: () => new Uint16(),
  uint32: () => new Uint32(),
  uint64: () => new Uint64(),
  float32: () => new Float32(),
  float64: () => new Float64(),
  string: () => new Utf8(),
  binary: () => new Binary(),
  date: () => new DateDay(),
  timestamp: () => new TimestampMicrosecond(),
  timestamptz: () => new TimestampMicrosecond('UTC'),
};

/** The word for a type; Arrow's own spelling for those that have none. */
export function typeName(type: DataType): string {
  if (DataType.isUtf8(type)) return 'string';
  if (DataType.isDecimal(type)) return `decimal(${type.precision},${type.scale})`;
  if (DataType.isDate(type) && type.unit === 0) return 'date';
  if (DataType.isTimestamp(type) && type.unit === TimeUnit.MICROSECOND) {
    return type.timezone ? 'timestamptz' : 'timestamp';
  }
  return (type as { toString(): string }).toString().toLowerCase();
}

/** The type behind a word; undefined for a word that is none. */
export function typeOfName(name: string): DataType | undefined {
  const [, precision, scale = '0'] = /^decimal\((\d+)(?:,\s*(\d+))?\)$/.exec(name) ?? [];
  if (precision === undefined) return NAMED[name]?.();
  const digits = Number(precision);
  if (digits < 1 || digits > 38 || Number(scale) > digits) return undefined;
  return new Decimal(Number(scale), digits, 128);
}
