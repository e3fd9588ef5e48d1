/**
 * Cursor values as the exact text MySQL sends for them, read back from Arrow columns: what a position is made of.
 * Arrow keeps the value but not its spelling, so the MySQL type supplies the fractional digits, the fixed width
 * of YEAR and the padding of ZEROFILL.
 */
import { type Data, DataType, type Field, type RecordBatch, TimeUnit } from 'apache-arrow';
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { MYSQL_TYPE_KEY } from '../provenance.js';
import { decimalText } from './decimal-text.js';
import { dateText, timestampText } from './time-text.js';

/** Reads the positions of rows; made once per stream. */
export type PositionReader = (batch: RecordBatch, row: number) => Position;

/**
 * A reader for the named columns. Throws 65 when the stream lacks one of them or holds it in a type that has no
 * exact text (a float); the reader throws 65 for a NULL, which no cursor can stand on.
 */
export function positionReader(fields: readonly Field[], columns: readonly string[]): PositionReader {
  const readers = columns.map((name) => {
    const index = fields.findIndex((field) => field.name === name);
    const field = fields[index];
    if (!field) throw new Failure('data', `the stream says its cursor is ${name}, but has no such column`);
    return { name, index, text: textOf(field) };
  });
  return (batch, row) =>
    readers.map(({ name, index, text }) => {
      const data = batch.data.children[index];
      if (!data || isNull(data, row)) throw new Failure('data', `the cursor column ${name} is NULL in a row`);
      return text(data, row);
    });
}

/** True when the value at `row` is NULL. */
export function isNull(data: Data, row: number): boolean {
  const bits = data.nullBitmap;
  if (!bits || bits.length === 0 || data.nullCount === 0) return false;
  const at = data.offset + row;
  return ((bits[at >> 3] ?? 0) & (1 << (at & 7))) === 0;
}

type Text = (data: Data, row: number) => string;

function textOf(field: Field): Text {
  const { type, name } = field;
  const mysql = field.metadata.get(MYSQL_TYPE_KEY) ?? '';
  const padded = padding(mysql);
  if (DataType.isInt(type)) return (data, row) => padded(String(integerAt(data, row)));
  if (DataType.isDecimal(type)) return (data, row) => padded(decimalText(data.values as Uint32Array, row, type));
  if (DataType.isBool(type))
    return (data, row) => String((((data.values as Uint8Array)[row >> 3] ?? 0) >> (row & 7)) & 1);
  if (DataType.isDate(type)) return (data, row) => dateText(Number((data.values as Int32Array)[row]));
  if (DataType.isTimestamp(type) && type.unit === TimeUnit.MICROSECOND) {
    const digits = Number(/\((\d)\)/.exec(mysql)?.[1] ?? (mysql === '' ? 6 : 0));
    return (data, row) => timestampText((data.values as BigInt64Array)[row] ?? 0n, digits);
  }
  if (DataType.isUtf8(type)) return (data, row) => Buffer.from(bytesAt(data, row)).toString('utf8');
  // As mysql-extract writes the position of a binary key.
  if (DataType.isBinary(type)) return (data, row) => `0x${Buffer.from(bytesAt(data, row)).toString('hex')}`;
  throw new Failure('data', `the cursor column ${name} is ${mysql || String(type)}, which has no exact text`, {
    hint: 'Choose an integer, decimal, date, time or string column as the cursor.',
  });
}

function integerAt(data: Data, row: number): number | bigint {
  return (data.values as BigInt64Array | Int32Array)[row] ?? 0;
}

function bytesAt(data: Data, row: number): Uint8Array {
  const { valueOffsets, values } = data as unknown as { valueOffsets: Int32Array; values: Uint8Array };
  return values.subarray(valueOffsets[row], valueOffsets[row + 1]);
}

/** MySQL prints YEAR with four digits and a ZEROFILL column with its display width. */
function padding(mysql: string): (text: string) => string {
  if (/^year\b/.test(mysql)) return (text) => text.padStart(4, '0');
  const width = /zerofill/.test(mysql) ? zerofillWidth(mysql) : 0;
  return width === 0 ? (text) => text : (text) => text.padStart(width, '0');
}

function zerofillWidth(mysql: string): number {
  const [, precision, scale] = /\((\d+)(?:,(\d+))?\)/.exec(mysql) ?? [];
  // A decimal's precision counts digits only; its text also has the point.
  return Number(precision ?? 0) + (scale === undefined || scale === '0' ? 0 : 1);
}
