/** Integers of 16, 32 and 64 bits. */
import { type Data, Int16, Int32, Int64, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, LONG, type Nulls, type Outcome, type PacketValues, STORED } from './column-buffer.js';

const MINUS = 0x2d;
const ZERO = 0x30;

/** Int16 and Int32. */
export class IntegerBuffer extends ColumnBuffer {
  private readonly values: Int16Array | Int32Array;
  private readonly least: number;
  private readonly most: number;

  constructor(
    capacity: number,
    private readonly type: Int16 | Int32,
  ) {
    super(capacity);
    this.values = type.bitWidth === 16 ? new Int16Array(capacity) : new Int32Array(capacity);
    this.most = type.bitWidth === 16 ? 0x7fff : 0x7fffffff;
    this.least = -this.most - 1;
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    let at = start;
    const negative = bytes[at] === MINUS;
    if (negative) at += 1;
    if (at >= end) return BAD_VALUE;
    let value = 0;
    for (; at < end; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit >>> 0 > 9) return BAD_VALUE;
      value = value * 10 + digit;
    }
    if (negative) value = -value;
    if (value < this.least || value > this.most) return BAD_VALUE;
    this.values[row] = value;
    return STORED;
  }

  override appendAll(values: PacketValues, row: number, count: number): void {
    const { bytes, at } = values;
    for (let index = 0; index < count; index += 1) {
      const start = at[index] as number;
      const length = bytes[start] as number;
      if (length >= LONG || this.append(row + index, bytes, start + 1, start + 1 + length) !== STORED)
        values.settle(row + index, start);
    }
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: this.type as Int32, length: rows, data: this.values as Int32Array, ...nulls });
  }

  protected blank(row: number): void {
    this.values[row] = 0;
  }
}

/** Values of 64 bits, written as two words: a BigInt for every value would cost more than all the rest. */
export class WordPairs {
  /** Low word, high word, low word, … */
  readonly words: Int32Array;
  readonly values: BigInt64Array;

  constructor(capacity: number) {
    this.values = new BigInt64Array(capacity);
    this.words = new Int32Array(this.values.buffer);
  }

  /** A number that is exact as a double. */
  setNumber(row: number, value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    this.words[2 * row] = value - high * 0x1_0000_0000;
    this.words[2 * row + 1] = high;
  }

  /** `high * factor + low` for a factor up to 1e9, a low part of either sign below 2^47 and a high part below 2^37. */
  setProduct(row: number, high: number, factor: number, low: number): void {
    const upper = Math.floor(high / 0x1_0000);
    const t0 = (high - upper * 0x1_0000) * factor + low;
    const t1 = upper * factor;
    const carry = Math.floor(t1 / 0x1_0000);
    const sum = (t1 - carry * 0x1_0000) * 0x1_0000 + t0;
    const sumHigh = Math.floor(sum / 0x1_0000_0000);
    this.words[2 * row] = sum - sumHigh * 0x1_0000_0000;
    this.words[2 * row + 1] = carry + sumHigh;
  }

  negate(row: number): void {
    const low = -(this.words[2 * row] as number) | 0;
    this.words[2 * row] = low;
    this.words[2 * row + 1] = ~(this.words[2 * row + 1] as number) + (low === 0 ? 1 : 0);
  }
}

/** Digits a double holds without loss. */
const EXACT_DIGITS = 15;

/** Int64 from decimal digits. */
export class WideIntegerBuffer extends ColumnBuffer {
  private readonly pairs: WordPairs;

  constructor(capacity: number) {
    super(capacity);
    this.pairs = new WordPairs(capacity);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    let at = start;
    const negative = bytes[at] === MINUS;
    if (negative) at += 1;
    if (at >= end) return BAD_VALUE;
    while (at < end - 1 && bytes[at] === ZERO) at += 1;
    if (end - at > EXACT_DIGITS) return this.appendLong(row, bytes, at, end, negative);
    let value = 0;
    for (; at < end; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit >>> 0 > 9) return BAD_VALUE;
      value = value * 10 + digit;
    }
    this.pairs.setNumber(row, negative ? -value : value);
    return STORED;
  }

  override appendAll(values: PacketValues, row: number, count: number): void {
    const { bytes, at } = values;
    for (let index = 0; index < count; index += 1) {
      const start = at[index] as number;
      const length = bytes[start] as number;
      if (length >= LONG || this.append(row + index, bytes, start + 1, start + 1 + length) !== STORED)
        values.settle(row + index, start);
    }
  }

  /** 16 to 19 digits: all but the last nine, and the last nine. */
  private appendLong(row: number, bytes: Uint8Array, start: number, end: number, negative: boolean): Outcome {
    if (end - start > 19) return BAD_VALUE;
    let high = 0;
    let low = 0;
    for (let at = start; at < end; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit >>> 0 > 9) return BAD_VALUE;
      if (at < end - 9) high = high * 10 + digit;
      else low = low * 10 + digit;
    }
    // 2^63 is 9223372036|854775808.
    const beyond = high > 9_223_372_036 || (high === 9_223_372_036 && low > (negative ? 854_775_808 : 854_775_807));
    if (beyond) return BAD_VALUE;
    this.pairs.setProduct(row, high, 1_000_000_000, low);
    if (negative) this.pairs.negate(row);
    return STORED;
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Int64(), length: rows, data: this.pairs.values, ...nulls });
  }

  protected blank(row: number): void {
    this.pairs.setNumber(row, 0);
  }
}
