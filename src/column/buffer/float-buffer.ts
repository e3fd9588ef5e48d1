/** Floating-point numbers, rounded exactly once from the decimal text. */
import { type Data, type Float32, type Float64, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, type Nulls, type Outcome, STORED } from './column-buffer.js';

const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;
const UPPER_E = 0x45;

/** Powers of ten that are exact doubles: a mantissa below 2^53 times or over one of them is rounded once. */
const POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Float32 and Float64. FLOAT is selected as a double, so rounding that to 32 bits gives the stored bits back. */
export class FloatBuffer extends ColumnBuffer {
  private readonly values: Float32Array | Float64Array;

  constructor(
    capacity: number,
    private readonly type: Float32 | Float64,
  ) {
    super(capacity);
    this.values = type.precision === 1 ? new Float32Array(capacity) : new Float64Array(capacity);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    let at = start;
    const negative = bytes[at] === MINUS;
    if (negative) at += 1;
    let mantissa = 0;
    let digits = 0;
    let decimals = 0;
    let pointed = false;
    for (; at < end; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit >>> 0 > 9) {
        if (bytes[at] !== POINT || pointed) break;
        pointed = true;
      } else {
        mantissa = mantissa * 10 + digit;
        digits += 1;
        if (pointed) decimals += 1;
      }
    }
    if (digits === 0) return BAD_VALUE;
    const exponent = at < end ? exponentAt(bytes, at, end) : 0;
    if (Number.isNaN(exponent)) return BAD_VALUE;
    const shift = exponent - decimals;
    if (mantissa > Number.MAX_SAFE_INTEGER || shift < -22 || shift > 22)
      return this.appendSlowly(row, bytes, start, end);
    const value = shift < 0 ? mantissa / (POWERS[-shift] as number) : mantissa * (POWERS[shift] as number);
    this.values[row] = negative ? -value : value;
    return STORED;
  }

  private appendSlowly(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    const value = Number(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1'));
    if (!Number.isFinite(value)) return BAD_VALUE;
    this.values[row] = value;
    return STORED;
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: this.type as Float64, length: rows, data: this.values as Float64Array, ...nulls });
  }

  protected blank(row: number): void {
    this.values[row] = 0;
  }
}

/** The number after `e`; NaN when something else stands there. */
function exponentAt(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  if (bytes[at] !== LOWER_E && bytes[at] !== UPPER_E) return Number.NaN;
  at += 1;
  const negative = bytes[at] === MINUS;
  if (negative || bytes[at] === PLUS) at += 1;
  if (at >= end) return Number.NaN;
  let exponent = 0;
  for (; at < end; at += 1) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit >>> 0 > 9) return Number.NaN;
    exponent = exponent * 10 + digit;
  }
  return negative ? -exponent : exponent;
}
