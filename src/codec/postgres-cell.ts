/** One column of an Arrow batch, written value by value in the form a binary COPY wants. */
import { type Data, type DataType, type RecordBatch, TimeUnit, Type } from 'apache-arrow';
import { Failure } from '../errors.js';
import type { Chunk, CopyColumn } from './postgres-binary.js';
import { writeNumeric } from './postgres-numeric.js';

/** `fail`: 65, naming column and row. `strip`: leave the character out. */
export type TextPolicy = 'fail' | 'strip';

export type CellWriter = (out: Chunk, row: number) => void;

export interface CellContext {
  nul: TextPolicy;
  /** Rows of the file before this batch. */
  before: number;
}

/** The writer of one column of one batch; `column.form` must be one the Arrow type can be written as. */
export function cellWriter(batch: RecordBatch, index: number, column: CopyColumn, context: CellContext): CellWriter {
  const data = batch.data.children[index];
  if (!data) throw new Failure('data', `the file has no column ${index + 1} (${column.name})`);
  return withNulls(data, valueWriter(data, column, context));
}

/** A null is the length -1; the bitmap is asked only when the column has nulls. */
function withNulls(data: Data, write: CellWriter): CellWriter {
  if (data.type.typeId === Type.Null) return writeNull;
  if (data.nullCount === 0) return write;
  const { nullBitmap, offset } = data;
  return (out, row) => {
    const bit = offset + row;
    if (((nullBitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) return write(out, row);
    return writeNull(out);
  };
}

function writeNull(out: Chunk): void {
  out.room(4);
  out.view.setInt32(out.at, -1);
  out.at += 4;
}

function valueWriter(data: Data, column: CopyColumn, context: CellContext): CellWriter {
  switch (column.form) {
    case 'bool':
      return bool(data);
    case 'int2':
      return fixed(2, data, (view, at, value) => view.setInt16(at, value));
    case 'int4':
      return fixed(4, data, (view, at, value) => view.setInt32(at, value));
    case 'float4':
      return fixed(4, data, (view, at, value) => view.setFloat32(at, value));
    case 'float8':
      return fixed(8, data, (view, at, value) => view.setFloat64(at, value));
    case 'date':
      return date(data);
    case 'int8':
      return int8(data);
    case 'timestamp':
    case 'time':
      return moment(data, column.form === 'timestamp' ? EPOCH_2000 : 0n);
    case 'numeric':
      return numeric(data);
    case 'text':
      return text(data, column, context, false);
    case 'jsonb':
      return text(data, column, context, true);
    case 'uuid':
      return uuid(data, column, context);
    case 'bytea':
      return bytes(spans(data), false);
  }
}

type Numbers = ArrayLike<number>;

/** Room for the length and any fixed-size value. */
const FIXED = 12;

function fixed(size: number, data: Data, set: (view: DataView, at: number, value: number) => void): CellWriter {
  const values = data.values as Numbers;
  return (out, row) => {
    out.room(FIXED);
    out.view.setInt32(out.at, size);
    set(out.view, out.at + 4, values[row] as number);
    out.at += 4 + size;
  };
}

function bool(data: Data): CellWriter {
  const { values, offset } = data as unknown as { values: Uint8Array; offset: number };
  return (out, row) => {
    const bit = offset + row;
    out.room(FIXED);
    out.view.setInt32(out.at, 1);
    out.bytes[out.at + 4] = ((values[bit >> 3] as number) >> (bit & 7)) & 1;
    out.at += 5;
  };
}

/** Days from 1970-01-01 to 2000-01-01, where PostgreSQL counts from. */
const DAYS_2000 = 10_957;

function date(data: Data): CellWriter {
  // DateMillisecond holds milliseconds in 64 bits, DateDay days in 32.
  if (data.type.typeId === Type.Date && (data.type as DataType & { unit: number }).unit === 1) {
    const values = data.values as unknown as ArrayLike<bigint | number>;
    return int4Of((row) => Number(values[row]) / 86_400_000 - DAYS_2000);
  }
  const values = data.values as Numbers;
  return int4Of((row) => (values[row] as number) - DAYS_2000);
}

function int4Of(value: (row: number) => number): CellWriter {
  return (out, row) => {
    out.room(FIXED);
    out.view.setInt32(out.at, 4);
    out.view.setInt32(out.at + 4, value(row));
    out.at += 8;
  };
}

/** The 32-bit halves of 64-bit values, least significant first: bigints cost an allocation each. */
function halves(data: Data): Int32Array {
  const { buffer, byteOffset, byteLength } = data.values as unknown as BigInt64Array;
  return new Int32Array(buffer, byteOffset, byteLength / 4);
}

function int8(data: Data): CellWriter {
  const { bitWidth, isSigned } = data.type as DataType & { bitWidth: number; isSigned: boolean };
  if (bitWidth < 64) {
    const values = data.values as Numbers;
    return (out, row) => {
      const value = values[row] as number;
      writeHalves(out, isSigned && value < 0 ? -1 : 0, value);
    };
  }
  const words = halves(data);
  return (out, row) => writeHalves(out, words[row * 2 + 1] as number, words[row * 2] as number);
}

function writeHalves(out: Chunk, high: number, low: number): void {
  out.room(FIXED);
  out.view.setInt32(out.at, 8);
  out.view.setInt32(out.at + 4, high);
  out.view.setInt32(out.at + 8, low);
  out.at += 12;
}

/** Microseconds from 1970 to 2000. */
const EPOCH_2000 = 946_684_800_000_000n;

function moment(data: Data, epoch: bigint): CellWriter {
  const { unit } = data.type as DataType & { unit: TimeUnit };
  if (unit !== TimeUnit.MICROSECOND || (data.values as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT === 4) {
    const values = data.values as unknown as ArrayLike<bigint | number>;
    return (out, row) => {
      out.room(FIXED);
      out.view.setInt32(out.at, 8);
      out.view.setBigInt64(out.at + 4, microseconds(BigInt(values[row] as bigint), unit) - epoch);
      out.at += 12;
    };
  }
  const words = halves(data);
  const epochLow = Number(epoch & 0xffff_ffffn);
  const epochHigh = Number(epoch >> 32n);
  return (out, row) => {
    const low = ((words[row * 2] as number) >>> 0) - epochLow;
    writeHalves(out, (words[row * 2 + 1] as number) - epochHigh - (low < 0 ? 1 : 0), low);
  };
}

function microseconds(value: bigint, unit: TimeUnit): bigint {
  if (unit === TimeUnit.SECOND) return value * 1_000_000n;
  if (unit === TimeUnit.MILLISECOND) return value * 1_000n;
  return unit === TimeUnit.NANOSECOND ? value / 1_000n : value;
}

function numeric(data: Data): CellWriter {
  if (data.type.typeId === Type.Int) {
    const values = data.values as unknown as BigUint64Array;
    return (out, row) => {
      const value = values[row] as bigint;
      writeNumeric(out, Number(value & 0xffff_ffffn), Number(value >> 32n), 0, 0, 0);
    };
  }
  const { scale, bitWidth } = data.type as DataType & { scale: number; bitWidth: number };
  if (bitWidth !== 128) throw new Failure('config', `decimals of ${bitWidth} bits are not supported`);
  const { buffer, byteOffset, byteLength } = data.values as unknown as Uint32Array;
  const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
  return (out, row) => {
    const at = row * 4;
    writeNumeric(
      out,
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
      scale,
    );
  };
}

/** Where the bytes of each value of a text or binary column lie. */
interface Spans {
  bytes: Buffer;
  start(row: number): number;
  end(row: number): number;
}

function spans(data: Data): Spans {
  const values = data.values as unknown as Uint8Array;
  const all = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  if (data.type.typeId === Type.FixedSizeBinary) {
    const { byteWidth } = data.type as DataType & { byteWidth: number };
    return { bytes: all, start: (row) => row * byteWidth, end: (row) => (row + 1) * byteWidth };
  }
  const offsets = data.valueOffsets as unknown as Int32Array | BigInt64Array;
  const at = offsets instanceof BigInt64Array ? Float64Array.from(offsets, Number) : offsets;
  return { bytes: all, start: (row) => at[row] as number, end: (row) => at[row + 1] as number };
}

/** Below this many bytes a loop is quicker than a call that copies. */
const SHORT = 24;

function bytes({ bytes: source, start, end }: Spans, versioned: boolean): CellWriter {
  const extra = versioned ? 1 : 0;
  return (out, row) => {
    const from = start(row);
    const to = end(row);
    const length = to - from;
    out.room(length + 5);
    out.view.setInt32(out.at, length + extra);
    let at = out.at + 4;
    // jsonb begins with the version of its format.
    if (versioned) out.bytes[at++] = 1;
    if (length < SHORT) for (let byte = from; byte < to; ) out.bytes[at++] = source[byte++] as number;
    else source.copy(out.bytes, at, from, to);
    out.at += 4 + extra + length;
  };
}

function text(data: Data, column: CopyColumn, context: CellContext, versioned: boolean): CellWriter {
  const found = spans(data);
  const write = bytes(found, versioned);
  if (data.length === 0) return write;
  // One scan of the whole column's bytes instead of one per value.
  if (!found.bytes.subarray(found.start(0), found.end(data.length - 1)).includes(0)) return write;
  return (out, row) => {
    const value = found.bytes.subarray(found.start(row), found.end(row));
    if (!value.includes(0)) return write(out, row);
    if (context.nul === 'fail') throw nulFailure(column, context.before + row);
    const kept = value.filter((byte) => byte !== 0);
    bytes({ bytes: Buffer.from(kept), start: () => 0, end: () => kept.length }, versioned)(out, row);
  };
}

/** A NUL in a text: 65. `row` counts from 0 in the file. */
function nulFailure(column: CopyColumn, row: number): Failure {
  return new RowFailure(
    `the column ${column.name} holds a NUL character, which text in PostgreSQL cannot`,
    row,
    'Add --nul strip to leave NUL characters out, or repair the row in MySQL.',
  );
}

/** A value the target refuses, found before it was sent; the reader of the file adds which file it is. */
export class RowFailure extends Failure {
  constructor(
    message: string,
    /** From 0, in the file. */
    readonly row: number,
    hint: string,
  ) {
    super('data', message, { hint });
  }
}

function uuid(data: Data, column: CopyColumn, context: CellContext): CellWriter {
  const { bytes: source, start, end } = spans(data);
  return (out, row) => {
    const digits = source.toString('latin1', start(row), end(row)).replaceAll('-', '');
    if (!/^[0-9a-f]{32}$/i.test(digits)) {
      throw new RowFailure(
        `the column ${column.name} holds no UUID`,
        context.before + row,
        'Repair the row in MySQL, or load the column as text with --cast COLUMN=text.',
      );
    }
    out.room(20);
    out.view.setInt32(out.at, 16);
    out.bytes.write(digits, out.at + 4, 'hex');
    out.at += 20;
  };
}
