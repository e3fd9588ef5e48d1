/** One value of a file into COPY text for the server behind, with Redshift's limits (rules 27 to 33). */
import { isUtf8 } from 'node:buffer';
import type { SchemaElement } from 'hyparquet';
import { dateText, timestampText } from './calendar.js';
import { ScanError } from './error-envelope.js';
import { type Annotation, annotation } from './parquet-check.js';
import type { FileColumn } from './parquet-file.js';
import { unverified } from './sql-error.js';
import { superText } from './super-value.js';
import type { Column } from './table-columns.js';
import { type RedshiftType, shownType } from './type-name.js';

/** Unescaped text, or null for NULL. Throws a ScanError without file and line, which the caller adds. */
export type Writer = (value: unknown) => string | null;

const DECIMAL19 = 9_223_372_036_854_775_807n;

export function valueWriter(source: FileColumn, target: Column, acceptInvChars: string | undefined): Writer {
  const { element } = source;
  const note = annotation(element);
  const body = target.type.name === 'super' ? superText(source) : writerOf(element, note, target, acceptInvChars);
  return (value) => {
    if (value !== null && value !== undefined) return body(value);
    if (!target.notNull) return null;
    const text = `Cannot insert a NULL value into column ${target.name}`;
    throw new ScanError(8007, text, { title: text, column: target.name, columnType: shownType(target.type) });
  };
}

function writerOf(element: SchemaElement, note: Annotation, target: Column, replacement: string | undefined): Writer {
  switch (target.type.name) {
    case 'boolean':
      return (value) => (value === true ? 't' : 'f');
    case 'numeric':
      return (value) => decimalText(unscaled(value), target);
    case 'real':
    case 'double precision':
      return (value) => (Object.is(value, -0) ? '-0' : String(value));
    case 'date':
      return (value) => dateText(BigInt(value as number)) ?? outOfRange(target);
    case 'timestamp':
    case 'timestamptz':
      return (value) =>
        timestampText(micros(element, value as bigint), note.kind === 'timestamp' && note.utc) ?? outOfRange(target);
    case 'char':
    case 'varchar':
      return (value) => characters(value as Uint8Array, target, replacement);
    case 'varbyte':
      return (value) => binary(value as Uint8Array, target);
    default:
      return String;
  }
}

function micros(element: SchemaElement, value: bigint): bigint {
  if (element.type !== 'INT96') return value;
  if (value % 1000n !== 0n) throw unverified('an INT96 timestamp finer than a microsecond');
  return value / 1000n;
}

function unscaled(value: unknown): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value as bigint);
  const hex = Buffer.from(value).toString('hex');
  return BigInt.asIntN(value.length * 8, BigInt(`0x${hex === '' ? '0' : hex}`));
}

function decimalText(value: bigint, target: Column): string {
  const { precision = 0, scale = 0 } = target.type;
  const size = value < 0n ? -value : value;
  // DECIMAL(19, s) is kept in 8 bytes (reference/redshift.md 4.8).
  if (size >= 10n ** BigInt(precision) || (precision === 19 && size > DECIMAL19)) outOfRange(target);
  const digits = String(size).padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  return `${value < 0n ? '-' : ''}${whole}${scale === 0 ? '' : `.${digits.slice(-scale)}`}`;
}

function outOfRange(target: Column): never {
  if (target.type.name === 'numeric') throw new ScanError(15_007, 'Numeric data overflow', where(target));
  throw new ScanError(
    15_007,
    `The value of the data column ${target.name} is outside the range of ${shownType(target.type)}.`,
    where(target),
  );
}

function where(target: Column): { column: string; columnType: string } {
  return { column: target.name, columnType: shownType(target.type) };
}

function characters(raw: Uint8Array, target: Column, replacement: string | undefined): string {
  let bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  if (!isUtf8(bytes)) {
    if (replacement === undefined || target.type.name === 'char') throw badUtf8(bytes, target);
    bytes = repaired(bytes, replacement.charCodeAt(0));
  }
  if (bytes.includes(0)) throw unverified(`a NUL character in column ${target.name}`);
  if (target.type.name === 'char' && bytes.some((byte) => byte > 0x7f)) {
    throw new ScanError(15_007, `CHAR string contains invalid ASCII character in column ${target.name}`, where(target));
  }
  demandLength(bytes.length, target);
  return bytes.toString('utf8');
}

function demandLength(bytes: number, target: Column): void {
  const { length = 0 } = target.type;
  if (bytes <= length) return;
  const numbers = `Table: ${length}, Data: ${bytes}`;
  throw new ScanError(
    15_007,
    `The length of the data column ${target.name} is longer than the length defined in the table. ${numbers}`,
    where(target),
  );
}

/** The wording of text loads; the one for Parquet is not recorded (reference/redshift.md 1.5). */
function badUtf8(bytes: Buffer, target: Column): ScanError {
  const at = invalidBytes(bytes).indexOf(true);
  const hex = bytes.subarray(at, at + 1).toString('hex');
  const text = `String contains invalid or unsupported UTF-8 codepoints. Bad UTF-8 hex sequence: ${hex} (error 3)`;
  return new ScanError(1220, text, where(target));
}

/** ACCEPTINVCHARS: as many replacement bytes as bad ones. */
function repaired(bytes: Buffer, replacement: number): Buffer {
  const fixed = Buffer.from(bytes);
  for (const [at, bad] of invalidBytes(bytes).entries()) if (bad) fixed[at] = replacement;
  return fixed;
}

function invalidBytes(bytes: Buffer): boolean[] {
  const bad = Array.from(bytes, () => true);
  for (let at = 0; at < bytes.length; ) {
    const size = [1, 2, 3, 4].find((length) => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)));
    if (size !== undefined) bad.fill(false, at, at + size);
    at += size ?? 1;
  }
  return bad;
}

/** The text of an overlong VARBYTE is not recorded; that it fails is (reference/redshift.md section 8, rule 27). */
function binary(raw: Uint8Array, target: Column): string {
  demandLength(raw.length, target);
  return `\\x${Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('hex')}`;
}

/** Bytes a value takes in a row, for the limit of 4 MB (rule 32). */
export function valueBytes(value: unknown, type: RedshiftType): number {
  if (value instanceof Uint8Array) return value.length;
  if (value === null || value === undefined) return 0;
  return type.name === 'super'
    ? Buffer.byteLength(JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? String(item) : item)) ?? '')
    : 8;
}
