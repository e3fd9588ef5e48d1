/**
 * JSON values into Arrow columns, exactly or not at all. Integers and decimals come as numbers or as text, dates
 * and times as ISO 8601 or as MySQL prints them, bytes as base64, anything structured in a text column as JSON.
 */
import { type Data, DataType, makeData } from 'apache-arrow';

/** Thrown with the reason alone; the caller knows line and column. */
export class Unfit extends Error {}

/** Collects the values of one column. */
export class ColumnBuilder {
  private readonly values: unknown[] = [];
  private readonly convert: (value: unknown) => unknown;
  private nulls = 0;

  constructor(
    private readonly type: DataType,
    private readonly nullable: boolean,
  ) {
    this.convert = converterOf(type);
  }

  /** Adds a value and returns about how many bytes it takes; throws Unfit when the column cannot hold it. */
  add(value: unknown): number {
    if (value === null || value === undefined) {
      if (!this.nullable) throw new Unfit('is missing or null, and the column is NOT NULL');
      this.nulls += 1;
      this.values.push(null);
      return 1;
    }
    const converted = this.convert(value);
    this.values.push(converted);
    return converted instanceof Uint8Array ? converted.length + 4 : 8;
  }

  /** The column, and an empty builder again. */
  finish(): Data {
    const length = this.values.length;
    const nullBitmap = new Uint8Array((length + 7) >> 3);
    this.values.forEach((value, row) => {
      if (value !== null) nullBitmap[row >> 3] = (nullBitmap[row >> 3] ?? 0) | (1 << (row & 7));
    });
    const common = { type: this.type, length, nullCount: this.nulls, nullBitmap };
    const data = makeData({ ...common, ...this.buffers() } as never);
    this.values.length = 0;
    this.nulls = 0;
    return data;
  }

  private buffers(): object {
    const { type, values } = this;
    if (DataType.isUtf8(type) || DataType.isBinary(type)) {
      const parts = values.map((value) => (value as Uint8Array | null) ?? new Uint8Array(0));
      const valueOffsets = new Int32Array(values.length + 1);
      parts.forEach((part, row) => (valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + part.length));
      return { valueOffsets, data: Buffer.concat(parts) };
    }
    if (DataType.isBool(type)) {
      const data = new Uint8Array((values.length + 7) >> 3);
      values.forEach((value, row) => {
        if (value === true) data[row >> 3] = (data[row >> 3] ?? 0) | (1 << (row & 7));
      });
      return { data };
    }
    if (DataType.isDecimal(type)) {
      const halves = new BigInt64Array(values.length * 2);
      values.forEach((value, row) => {
        const units = (value as bigint | null) ?? 0n;
        halves[2 * row] = BigInt.asIntN(64, units);
        halves[2 * row + 1] = BigInt.asIntN(64, units >> 64n);
      });
      return { data: new Uint32Array(halves.buffer) };
    }
    const Values = type.ArrayType as new (length: number) => Record<number, unknown>;
    const data = new Values(values.length);
    const zero = data instanceof BigInt64Array || data instanceof BigUint64Array ? 0n : 0;
    values.forEach((value, row) => (data[row] = value ?? zero));
    return { data };
  }
}

function converterOf(type: DataType): (value: unknown) => unknown {
  if (DataType.isInt(type)) {
    const bits = BigInt(type.bitWidth - (type.isSigned ? 1 : 0));
    const [least, most] = [type.isSigned ? -(1n << bits) : 0n, (1n << bits) - 1n];
    return (value) => {
      const integer = integerOf(value);
      if (integer < least || integer > most) throw new Unfit(`is ${integer}, beyond ${type.bitWidth} bits`);
      return type.bitWidth === 64 ? integer : Number(integer);
    };
  }
  if (DataType.isDecimal(type)) return (value) => unitsOf(value, type.precision, type.scale);
  if (DataType.isFloat(type)) return floatOf;
  if (DataType.isBool(type)) return booleanOf;
  if (DataType.isDate(type)) return dayOf;
  if (DataType.isTimestamp(type)) return microsecondsOf;
  if (DataType.isBinary(type)) return base64Of;
  return textBytes;
}

function integerOf(value: unknown): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return BigInt(value);
  if (typeof value === 'boolean') return value ? 1n : 0n;
  throw new Unfit(`is not an integer (${shown(value)})`);
}

function unitsOf(value: unknown, precision: number, scale: number): bigint {
  const written = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(written);
  if (!match) throw new Unfit(`is not a decimal (${shown(value)})`);
  const [, sign = '', whole = '', fraction = ''] = match;
  if (/[1-9]/.test(fraction.slice(scale))) throw new Unfit(`has more than ${scale} digits after the point`);
  const units = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
  if (units >= 10n ** BigInt(precision)) throw new Unfit(`has more than ${precision} digits`);
  return sign === '-' ? -units : units;
}

function floatOf(value: unknown): number {
  if (typeof value === 'number') return value;
  const number = typeof value === 'string' && /\S/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number) && value !== 'NaN') throw new Unfit(`is not a number (${shown(value)})`);
  return number;
}

function booleanOf(value: unknown): boolean {
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw new Unfit(`is neither true nor false (${shown(value)})`);
}

function dayOf(value: unknown): number {
  const match = typeof value === 'string' ? /^(\d{4}-\d\d-\d\d)(?:T00:00:00(?:\.0+)?Z?)?$/.exec(value) : null;
  const milliseconds = match ? Date.parse(`${match[1]}T00:00:00Z`) : Number.NaN;
  // Date.parse takes February 30 for March 1.
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().slice(0, 10) !== match?.[1]) {
    throw new Unfit(`is not a date (${shown(value)})`);
  }
  return milliseconds / 86_400_000;
}

function microsecondsOf(value: unknown): bigint {
  const match =
    typeof value === 'string'
      ? /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})0*)?(?:Z|\+00:00)?$/.exec(value)
      : null;
  const [, day = '', clock = '', fraction = ''] = match ?? [];
  const milliseconds = match ? Date.parse(`${day}T${clock}Z`) : Number.NaN;
  if (Number.isNaN(milliseconds) || new Date(milliseconds).toISOString().slice(0, 10) !== day) {
    throw new Unfit(`is not a date and time (${shown(value)})`);
  }
  return BigInt(milliseconds) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

function base64Of(value: unknown): Uint8Array {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
  if (!bytes || bytes.toString('base64') !== value) throw new Unfit('is not base64');
  return bytes;
}

/** With the u flag a pair is one character, so only a half without its other half is found. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;

function textBytes(value: unknown): Uint8Array {
  if (typeof value === 'object') return Buffer.from(JSON.stringify(value));
  if (typeof value !== 'string') throw new Unfit(`is not a text (${shown(value)})`);
  return LONE_SURROGATE.test(value) ? withSurrogates(value) : Buffer.from(value);
}

/** Half a surrogate pair has no UTF-8: it is kept as the three bytes it would have, so that the check of texts finds it. */
function withSurrogates(value: string): Uint8Array {
  const parts = Array.from(value, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0xd800 || code > 0xdfff) return Buffer.from(character);
    return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]);
  });
  return Buffer.concat(parts);
}

/** A value in an error message: its kind and its first characters. */
function shown(value: unknown): string {
  return `${typeof value} ${(JSON.stringify(value) ?? '').slice(0, 40)}`;
}
