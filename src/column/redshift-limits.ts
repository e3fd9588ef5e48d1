/** What Redshift's COPY cannot load, told apart column by column (reference/redshift.md 1.3, 1.5, 4.8). */
import { isAscii, isUtf8 } from 'node:buffer';
import { type Data, DataType, type Field, TimeUnit } from 'apache-arrow';
import { Failure } from '../errors.js';
import { longestString } from './json-strings.js';
import { isNull } from './position-text.js';

/** VARCHAR's limit, in bytes. */
export const VARCHAR_BYTES = 65_535;

/** Most bytes of a row COPY reads (section 1.6), and so of a value: VARBYTE and SUPER could hold more. */
const ROW_BYTES = 4_194_304;

/** 0001-01-01 and 9999-12-31 in days since 1970. */
const FIRST_DAY = -719_162;
const LAST_DAY = 2_932_896;
const DAY_US = 86_400_000_000n;

/** Why the value of a row cannot be loaded. */
export interface Refused {
  row: number;
  why: string;
}

/** Refuses a schema with types Redshift has no column for (65). */
export function demandRedshiftTypes(fields: readonly Field[]): void {
  for (const { name, type } of fields) {
    if (isLoadable(type)) continue;
    const said = (type as { toString(): string }).toString();
    throw new Failure('data', `the column ${name} is ${said}, which Redshift's COPY does not load`, {
      hint: 'Convert it before, or say --target any for other readers.',
    });
  }
}

function isLoadable(type: DataType): boolean {
  if (DataType.isInt(type)) return type.isSigned && type.bitWidth > 8;
  if (DataType.isDecimal(type)) return type.bitWidth === 128 && type.precision <= 38;
  if (DataType.isFloat(type)) return type.precision > 0;
  if (DataType.isTimestamp(type)) return type.unit === TimeUnit.MICROSECOND;
  if (DataType.isDate(type)) return type.unit === 0;
  return DataType.isBool(type) || DataType.isUtf8(type) || DataType.isBinary(type);
}

/**
 * The rows of a column that cannot be loaded; finding none costs a few passes over its bytes, no decoding.
 * @param document a text that goes into SUPER by way of VARBYTE
 */
export function refusedRows(data: Data, rows: number, document = false): Refused[] {
  const { type } = data;
  if (document) return isPlainText(data, rows) ? [] : each(data, rows, whyNotDocument);
  if (DataType.isUtf8(type)) return isPlainText(data, rows) ? [] : each(data, rows, whyNotText);
  if (DataType.isBinary(type)) {
    const long = (value: Uint8Array): string | undefined => tooLong(value, ROW_BYTES);
    return spanBytes(data, rows).length <= ROW_BYTES ? [] : each(data, rows, long);
  }
  if (DataType.isDate(type)) return outside(data, rows, (day) => day < FIRST_DAY || day > LAST_DAY);
  if (DataType.isTimestamp(type)) return outsideTimes(data, rows);
  return [];
}

/** The longest beginning of a text that can be loaded. */
export function loadableStart(value: Uint8Array): Uint8Array {
  const nul = value.indexOf(0);
  let end = Math.min(nul < 0 ? value.length : nul, VARCHAR_BYTES);
  // A character is never cut: its continuation bytes begin with the bits 10.
  while (end > 0 && end < value.length && ((value[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  if (isUtf8(value.subarray(0, end))) return value.subarray(0, end);
  let valid = 0;
  for (let step = end; step >= 1; step = step >> 1) {
    while (valid + step <= end && isUtf8(wholeCharacters(value.subarray(0, valid + step)))) valid += step;
  }
  return wholeCharacters(value.subarray(0, valid));
}

/** Without a last character whose bytes are not all there. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** The bytes of the value in a row of a text or binary column. */
export function valueBytes(data: Data, row: number): Uint8Array {
  const { values, valueOffsets } = variable(data);
  return values.subarray(valueOffsets[row], valueOffsets[row + 1]);
}

/** True when the whole column is short, valid text without NUL: two passes in native code. */
function isPlainText(data: Data, rows: number): boolean {
  const { valueOffsets } = variable(data);
  const bytes = spanBytes(data, rows);
  // Buffer's search is memchr; that of a plain Uint8Array looks at one byte at a time.
  if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(0) >= 0) return false;
  if (bytes.length > VARCHAR_BYTES) {
    for (let row = 0; row < rows; row += 1) {
      if ((valueOffsets[row + 1] ?? 0) - (valueOffsets[row] ?? 0) > VARCHAR_BYTES) return false;
    }
  }
  if (isAscii(bytes)) return true;
  if (!isUtf8(bytes)) return false;
  // Valid as a whole can still be cut inside a character between two rows.
  const { values } = variable(data);
  for (let row = 1; row < rows; row += 1) {
    const at = valueOffsets[row] ?? 0;
    if (((values[at] ?? 0) & 0xc0) === 0x80 && at < (valueOffsets[rows] ?? 0)) return false;
  }
  return true;
}

function whyNotText(value: Uint8Array): string | undefined {
  return brokenText(value) ?? tooLong(value, VARCHAR_BYTES);
}

/** The strings in a short document are short as well. */
function whyNotDocument(value: Uint8Array): string | undefined {
  const why = brokenText(value) ?? tooLong(value, ROW_BYTES);
  if (why !== undefined || value.length <= VARCHAR_BYTES) return why;
  const longest = longestString(value);
  return longest > VARCHAR_BYTES
    ? `holds a string of ${longest} bytes, at most ${VARCHAR_BYTES} are possible`
    : undefined;
}

function brokenText(value: Uint8Array): string | undefined {
  if (!isUtf8(value)) return 'is not valid UTF-8';
  return value.indexOf(0) >= 0 ? 'holds a NUL character' : undefined;
}

function tooLong(value: Uint8Array, most: number): string | undefined {
  return value.length > most ? `has ${value.length} bytes, at most ${most} are possible` : undefined;
}

function each(data: Data, rows: number, why: (value: Uint8Array) => string | undefined): Refused[] {
  const found: Refused[] = [];
  for (let row = 0; row < rows; row += 1) {
    const reason = isNull(data, row) ? undefined : why(valueBytes(data, row));
    if (reason !== undefined) found.push({ row, why: reason });
  }
  return found;
}

function outside(data: Data, rows: number, isOutside: (value: number) => boolean): Refused[] {
  const values = data.values as Int32Array;
  const found: Refused[] = [];
  for (let row = 0; row < rows; row += 1) {
    if (isOutside(values[row] ?? 0) && !isNull(data, row)) found.push({ row, why: 'is outside the years 1 to 9999' });
  }
  return found;
}

/** Compared by the upper half of each 64-bit number, so that no bigint is made for a time of this era. */
function outsideTimes(data: Data, rows: number): Refused[] {
  const values = data.values as BigInt64Array;
  const halves = new Int32Array(values.buffer, values.byteOffset, rows * 2);
  const [first, last] = [BigInt(FIRST_DAY) * DAY_US, BigInt(LAST_DAY + 1) * DAY_US];
  const [low, high] = [Number(first >> 32n) + 1, Number(last >> 32n) - 1];
  const found: Refused[] = [];
  for (let row = 0; row < rows; row += 1) {
    const half = halves[2 * row + 1] ?? 0;
    if (half >= low && half <= high) continue;
    const value = values[row] ?? 0n;
    if ((value < first || value >= last) && !isNull(data, row)) {
      found.push({ row, why: 'is outside the years 1 to 9999' });
    }
  }
  return found;
}

function variable(data: Data): { values: Uint8Array; valueOffsets: Int32Array } {
  return data as unknown as { values: Uint8Array; valueOffsets: Int32Array };
}

function spanBytes(data: Data, rows: number): Uint8Array {
  const { values, valueOffsets } = variable(data);
  return values.subarray(valueOffsets[0] ?? 0, valueOffsets[rows] ?? 0);
}
