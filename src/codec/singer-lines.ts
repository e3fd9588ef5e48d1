/**
 * Singer messages (SCHEMA, RECORD, STATE), so that any Singer target can follow a read. Format: the Singer
 * specification, docs/SPEC.md of its getting-started repository.
 *
 * Integers are bare JSON numbers with all their digits, which Singer's readers keep; decimals are strings with the
 * format `singer.decimal`; dates and times are RFC 3339, those without a zone written as UTC, as taps do.
 */
import { DataType, type Field, type RecordBatch, type Schema } from 'apache-arrow';
import type { Position } from '../end-record.js';
import { jsonCells } from './json-values.js';
import { objectLines } from './ndjson-lines.js';

export interface SingerStream {
  /** `schema-table`, as taps name it. */
  stream: string;
  primaryKey: readonly string[];
  cursorColumns: readonly string[];
}

/** The SCHEMA message; comes before the first record. */
export function singerSchema(stream: SingerStream, schema: Schema): string {
  const properties = Object.fromEntries(schema.fields.map((field) => [field.name, propertyOf(field)]));
  return line({
    type: 'SCHEMA',
    stream: stream.stream,
    schema: { type: 'object', properties },
    key_properties: stream.primaryKey,
    bookmark_properties: stream.cursorColumns,
  });
}

/** The RECORD messages of a batch, in chunks of whole lines. */
export function* singerRecords(stream: SingerStream, batch: RecordBatch): Generator<string> {
  const cells = jsonCells(batch, 'bare').map((cell, column) => {
    const { type } = batch.schema.fields[column] as Field;
    if (!DataType.isTimestamp(type) || type.timezone) return cell;
    return (row: number): string => cell(row).replace(/"$/, 'Z"');
  });
  yield* objectLines(batch, cells, `{"type":"RECORD","stream":${JSON.stringify(stream.stream)},"record":`, '}');
}

/** The STATE message after the rows up to `position`: what was read is safe to skip once a target confirms it. */
export function singerState(stream: SingerStream, position: Position): string {
  const bookmark = { cursor_columns: stream.cursorColumns, cursor: position };
  return line({ type: 'STATE', value: { bookmarks: { [stream.stream]: bookmark } } });
}

function line(message: object): string {
  return `${JSON.stringify(message)}\n`;
}

function propertyOf(field: Field): Record<string, unknown> {
  const { type, ...rest } = jsonType(field.type);
  return { type: field.nullable ? ['null', type] : [type], ...rest };
}

function jsonType(type: DataType): { type: string } & Record<string, unknown> {
  if (DataType.isInt(type)) {
    const bits = BigInt(type.bitWidth - (type.isSigned ? 1 : 0));
    // Beyond 2^53 a bound written as a number would already be another one.
    return bits > 53n
      ? { type: 'integer' }
      : { type: 'integer', minimum: type.isSigned ? -Number(1n << bits) : 0, maximum: Number((1n << bits) - 1n) };
  }
  if (DataType.isDecimal(type))
    return { type: 'string', format: 'singer.decimal', precision: type.precision, scale: type.scale };
  if (DataType.isFloat(type)) return { type: 'number' };
  if (DataType.isBool(type)) return { type: 'boolean' };
  if (DataType.isTimestamp(type)) return { type: 'string', format: 'date-time' };
  if (DataType.isDate(type)) return { type: 'string', format: 'date' };
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) return { type: 'string', contentEncoding: 'base64' };
  return { type: 'string' };
}
