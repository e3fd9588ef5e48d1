/** DATE, DATETIME and TIMESTAMP, as days or microseconds or, where a policy says so, as their text. */
import { type Data, DateDay, type TimestampMicrosecond, makeData } from 'apache-arrow';
import {
  BAD_VALUE,
  ColumnBuffer,
  LONG,
  type Nulls,
  type Outcome,
  type PacketValues,
  STORED,
  ZERO_DATE,
} from './column-buffer.js';
import { WordPairs } from './integer-buffer.js';
import { TextBuffer } from './text-buffer.js';

const DASH = 0x2d;
const COLON = 0x3a;
const SPACE = 0x20;
const POINT = 0x2e;
const ZERO = 0x30;

/** Days before each month of a year without a leap day; index 1 is January. */
const DAYS_BEFORE = Int32Array.of(0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334);
const DAYS_IN = Int32Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);

/** From 0001-01-01 to 1970-01-01. */
const DAYS_TO_EPOCH = 719_162;

/** Not day numbers: what stands there is a zero date, or no date. */
const ZERO_DAY = 0x7fff_fffe;
const NO_DAY = 0x7fff_ffff;

/** The number two digits make, by their two bytes as one little-endian word; -1 for anything else. */
const TWO_DIGITS = new Int8Array(0x1_0000).fill(-1);
for (let number = 0; number < 100; number += 1) {
  TWO_DIGITS[ZERO + Math.floor(number / 10) + ((ZERO + (number % 10)) << 8)] = number;
}

function two(bytes: Uint8Array, at: number): number {
  return TWO_DIGITS[(bytes[at] as number) | ((bytes[at + 1] as number) << 8)] as number;
}

/** Days since 1970-01-01 of `YYYY-MM-DD`, or ZERO_DAY or NO_DAY. Year 0 counts as a zero date: no calendar has it. */
function dayAt(bytes: Uint8Array, at: number): number {
  const century = two(bytes, at);
  const years = two(bytes, at + 2);
  const month = two(bytes, at + 5);
  const day = two(bytes, at + 8);
  if ((century | years | month | day) < 0 || bytes[at + 4] !== DASH || bytes[at + 7] !== DASH) return NO_DAY;
  if (month > 12 || day > 31) return NO_DAY;
  const year = century * 100 + years;
  if (year === 0 || month === 0 || day === 0) return ZERO_DAY;
  const leap = (year & 3) === 0 && (years !== 0 || (century & 3) === 0);
  if (day > (DAYS_IN[month] as number) + (leap && month === 2 ? 1 : 0)) return NO_DAY;
  const before = year - 1;
  const days = before * 365 + (before >> 2) - ((before / 100) | 0) + ((before / 400) | 0);
  return days + (DAYS_BEFORE[month] as number) + (leap && month > 2 ? 1 : 0) + day - 1 - DAYS_TO_EPOCH;
}

/** Seconds since midnight of `hh:mm:ss`, or -1. */
function secondsAt(bytes: Uint8Array, at: number): number {
  const hour = two(bytes, at);
  const minute = two(bytes, at + 3);
  const second = two(bytes, at + 6);
  if ((hour | minute | second) < 0 || bytes[at + 2] !== COLON || bytes[at + 5] !== COLON) return -1;
  return hour > 23 || minute > 59 || second > 59 ? -1 : hour * 3600 + minute * 60 + second;
}

/** Microseconds of the digits after the point, or -1. */
function microsecondsAt(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  if (bytes[start] !== POINT || end - start > 7 || end - start < 2) return -1;
  if (end - start === 7) {
    const high = two(bytes, start + 1);
    const middle = two(bytes, start + 3);
    const low = two(bytes, start + 5);
    return (high | middle | low) < 0 ? -1 : high * 10_000 + middle * 100 + low;
  }
  let value = 0;
  for (let at = start + 1; at < start + 7; at += 1) {
    const digit = at < end ? (bytes[at] as number) - ZERO : 0;
    if (digit >>> 0 > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** DATE as days since 1970-01-01. */
export class DateBuffer extends ColumnBuffer {
  private readonly days = new Int32Array(this.capacity);

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    if (end - start !== 10) return BAD_VALUE;
    const day = dayAt(bytes, start);
    if (day >= ZERO_DAY) return day === ZERO_DAY ? ZERO_DATE : BAD_VALUE;
    this.days[row] = day;
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
    return makeData({ type: new DateDay(), length: rows, data: this.days, ...nulls });
  }

  protected blank(row: number): void {
    this.days[row] = 0;
  }
}

/** Microseconds of a second, and the seconds around 1970 whose microseconds are exact as a double. */
const MICROS = 1_000_000;
const EXACT_SECONDS = 9_000_000_000;

/** DATETIME and TIMESTAMP as microseconds since 1970. */
export class TimestampBuffer extends ColumnBuffer {
  private readonly pairs: WordPairs;

  constructor(
    capacity: number,
    private readonly type: TimestampMicrosecond,
  ) {
    super(capacity);
    this.pairs = new WordPairs(capacity);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    if (end - start < 19) return BAD_VALUE;
    const day = dayAt(bytes, start);
    const time = secondsAt(bytes, start + 11);
    const micros = microsecondsAt(bytes, start + 19, end);
    if (day === NO_DAY || time < 0 || micros < 0 || bytes[start + 10] !== SPACE) return BAD_VALUE;
    if (day === ZERO_DAY) return ZERO_DATE;
    const seconds = day * 86_400 + time;
    if (seconds > -EXACT_SECONDS && seconds < EXACT_SECONDS) this.pairs.setNumber(row, seconds * MICROS + micros);
    else this.pairs.setProduct(row, seconds, MICROS, micros);
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
    return makeData({ type: this.type, length: rows, data: this.pairs.values, ...nulls });
  }

  protected blank(row: number): void {
    this.pairs.setNumber(row, 0);
  }
}

/** Dates kept as the text MySQL sent, because a policy wants to see those that are none. */
export class DateTextBuffer extends TextBuffer {
  constructor(
    capacity: number,
    private readonly withTime: boolean,
  ) {
    super(capacity);
  }

  override append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    const shaped = this.withTime
      ? end - start >= 19 && secondsAt(bytes, start + 11) >= 0 && microsecondsAt(bytes, start + 19, end) >= 0
      : end - start === 10;
    const day = shaped ? dayAt(bytes, start) : NO_DAY;
    if (day >= ZERO_DAY) return day === ZERO_DAY ? ZERO_DATE : BAD_VALUE;
    return super.append(row, bytes, start, end);
  }

  /** Value by value: each is looked at. */
  override appendAll(values: PacketValues, row: number, count: number): void {
    this.appendEach(values, row, count);
  }
}
