/**
 * SERIALIZETOJSON: a value of any Parquet type as JSON (reference/redshift.md 1.7, rule 30). A string stays a JSON
 * string, never a parsed document, and holds at most 65,535 bytes.
 */
import { isUtf8 } from 'node:buffer';
import { ScanError } from './error-envelope.js';
import { annotation } from './parquet-check.js';
import type { FileColumn } from './parquet-file.js';
import { unverified } from './sql-error.js';

const MOST_STRING_BYTES = 65_535;
const MOST_BYTES = 16 * 1024 * 1024;

export function superText(source: FileColumn): (value: unknown) => string {
  const scalar = source.nested ? nested : flat(source);
  return (value) => {
    const json = scalar(value);
    if (Buffer.byteLength(json) > MOST_BYTES) throw new ScanError(1224, 'SUPER value exceeds the max size of 16 MB');
    return json;
  };
}

function flat(source: FileColumn): (value: unknown) => string {
  const { type } = source.element;
  const note = annotation(source.element);
  if (type === 'BOOLEAN') return (value) => String(value);
  if ((type === 'INT32' || type === 'INT64') && (note.kind === 'none' || (note.kind === 'int' && note.signed)))
    return String;
  if (type === 'DOUBLE' || type === 'FLOAT') return (value) => finite(value as number);
  if (type === 'BYTE_ARRAY' && (note.kind === 'string' || note.kind === 'json' || note.kind === 'enum')) {
    return (value) => string(Buffer.from(value as Uint8Array));
  }
  throw unverified(`SERIALIZETOJSON of ${type} ${note.kind}`);
}

function finite(value: number): string {
  if (!Number.isFinite(value)) throw unverified('NaN or Infinity in SUPER');
  return JSON.stringify(value);
}

function string(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new ScanError(1220, 'String contains invalid or unsupported UTF-8 codepoints.');
  if (bytes.length > MOST_STRING_BYTES) throw new ScanError(1224, 'String value exceeds the max size of 65535 bytes');
  if (bytes.includes(0)) throw unverified('a NUL character in SUPER');
  return JSON.stringify(bytes.toString('utf8'));
}

/** Structs, lists and maps of strings, numbers and booleans, as hyparquet assembles them. */
function nested(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return string(Buffer.from(value));
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return finite(value);
  if (Array.isArray(value)) return `[${value.map(nested).join(',')}]`;
  if (value instanceof Date || ArrayBuffer.isView(value)) throw unverified('dates or bytes nested in SUPER');
  const fields = Object.entries(value as Record<string, unknown>);
  return `{${fields.map(([name, item]) => `${JSON.stringify(name)}:${nested(item)}`).join(',')}}`;
}
