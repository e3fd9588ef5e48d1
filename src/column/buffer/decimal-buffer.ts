/** Decimals of 128 bits: four words a value, least significant first, two's complement. */
import { type Data, type Decimal, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, LONG, type Nulls, type Outcome, type PacketValues, STORED } from './column-buffer.js';

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const WORD = 0x1_0000_0000;

/** Digits a double holds without loss. */
const EXACT_DIGITS = 15;

/** DECIMAL(p<=38,s), BIGINT UNSIGNED, and BIT(64) from bytes. */
export class DecimalBuffer extends ColumnBuffer {
  private readonly words: Uint32Array;
  /** The first magnitude with more digits than the type holds. */
  private readonly beyond: number;

  constructor(
    capacity: number,
    private readonly type: Decimal,
  ) {
    super(capacity);
    this.words = new Uint32Array(4 * capacity);
    this.beyond = 10 ** type.precision;
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    let at = start;
    const negative = bytes[at] === MINUS;
    if (negative) at += 1;
    while (at < end - 1 && bytes[at] === ZERO && bytes[at + 1] !== POINT) at += 1;
    let digits = 0;
    let value = 0;
    let point = -1;
    for (const first = at; at < end; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit >>> 0 > 9) {
        if (bytes[at] !== POINT || point >= 0) return BAD_VALUE;
        point = at;
      } else {
        digits += 1;
        if (digits > EXACT_DIGITS) return this.appendLong(row, bytes, first, end, negative);
        value = value * 10 + digit;
      }
    }
    if (digits === 0) return BAD_VALUE;
    // An expression such as ROUND(x, n) sends fewer decimals than its column declares.
    for (let missing = this.type.scale - (point < 0 ? 0 : end - point - 1); missing !== 0; missing -= 1) {
      digits += 1;
      if (missing < 0 || digits > EXACT_DIGITS)
        return this.appendLong(row, bytes, start + (negative ? 1 : 0), end, negative);
      value *= 10;
    }
    if (value >= this.beyond) return BAD_VALUE;
    if (negative) value = -value;
    const high = Math.floor(value / WORD);
    const words = this.words;
    const word = 4 * row;
    words[word] = value - high * WORD;
    words[word + 1] = high;
    const sign = value < 0 ? 0xffffffff : 0;
    words[word + 2] = sign;
    words[word + 3] = sign;
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

  /** Any number of digits: multiply by ten and add, digit by digit, over the four words. */
  private appendLong(row: number, bytes: Uint8Array, start: number, end: number, negative: boolean): Outcome {
    const { scale, precision } = this.type;
    const words = this.words.subarray(4 * row, 4 * row + 4).fill(0);
    let digits = 0;
    let decimals = -1;
    for (let at = start; at < end; at += 1) {
      const digit = (bytes[at] as number) - ZERO;
      if (digit >>> 0 > 9) {
        if (bytes[at] !== POINT || decimals >= 0) return BAD_VALUE;
        decimals = 0;
        continue;
      }
      if (decimals >= scale) {
        // More decimals than declared are only harmless as zeros.
        if (digit !== 0) return BAD_VALUE;
        continue;
      }
      if (decimals >= 0) decimals += 1;
      if (digits > 0 || digit > 0) digits += 1;
      timesTenPlus(words, digit);
    }
    for (let given = Math.max(decimals, 0); given < scale; given += 1) {
      if (digits > 0) digits += 1;
      timesTenPlus(words, 0);
    }
    if (digits > precision) return BAD_VALUE;
    if (negative) negate(words);
    return STORED;
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: this.type, length: rows, data: this.words, ...nulls });
  }

  protected blank(row: number): void {
    this.words.fill(0, 4 * row, 4 * row + 4);
  }
}

/** BIT(64): eight bytes, most significant first, as an unsigned number. */
export class WideBitBuffer extends ColumnBuffer {
  private readonly words: Uint32Array;

  constructor(
    capacity: number,
    private readonly type: Decimal,
  ) {
    super(capacity);
    this.words = new Uint32Array(4 * capacity);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    if (end - start !== 8) return BAD_VALUE;
    this.blank(row);
    for (let at = start; at < end; at += 1) {
      const word = 4 * row + (at < start + 4 ? 1 : 0);
      this.words[word] = ((this.words[word] as number) << 8) | (bytes[at] as number);
    }
    return STORED;
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: this.type, length: rows, data: this.words, ...nulls });
  }

  protected blank(row: number): void {
    this.words.fill(0, 4 * row, 4 * row + 4);
  }
}

function timesTenPlus(words: Uint32Array, digit: number): void {
  let carry = digit;
  for (let index = 0; index < 4; index += 1) {
    const product = (words[index] as number) * 10 + carry;
    carry = Math.floor(product / WORD);
    words[index] = product - carry * WORD;
  }
}

function negate(words: Uint32Array): void {
  let carry = 1;
  for (let index = 0; index < 4; index += 1) {
    const sum = (~(words[index] as number) >>> 0) + carry;
    carry = sum >= WORD ? 1 : 0;
    words[index] = sum;
  }
}
