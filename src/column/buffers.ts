/** Which buffer fills which column. */
import type { Decimal, Float64, Int32, TimestampMicrosecond } from 'apache-arrow';
import { BitsBuffer, BoolBuffer } from './buffer/bit-buffer.js';
import type { ColumnBuffer } from './buffer/column-buffer.js';
import { DateBuffer, DateTextBuffer, TimestampBuffer } from './buffer/date-buffer.js';
import { DecimalBuffer, WideBitBuffer } from './buffer/decimal-buffer.js';
import { FloatBuffer } from './buffer/float-buffer.js';
import { IntegerBuffer, WideIntegerBuffer } from './buffer/integer-buffer.js';
import { BytesBuffer, TextBuffer } from './buffer/text-buffer.js';
import type { ColumnPlan, Reading } from './from-mysql.js';

const BUFFERS: Readonly<Record<Reading, (rows: number, plan: ColumnPlan) => ColumnBuffer>> = {
  int16: (rows, plan) => new IntegerBuffer(rows, plan.arrow as Int32),
  int32: (rows, plan) => new IntegerBuffer(rows, plan.arrow as Int32),
  int64: (rows) => new WideIntegerBuffer(rows),
  decimal: (rows, plan) => new DecimalBuffer(rows, plan.arrow as Decimal),
  float32: (rows, plan) => new FloatBuffer(rows, plan.arrow as Float64),
  float64: (rows, plan) => new FloatBuffer(rows, plan.arrow as Float64),
  bool: (rows) => new BoolBuffer(rows),
  bits: (rows) => new BitsBuffer(rows),
  'bits-decimal': (rows, plan) => new WideBitBuffer(rows, plan.arrow as Decimal),
  date: (rows) => new DateBuffer(rows),
  timestamp: (rows, plan) => new TimestampBuffer(rows, plan.arrow as TimestampMicrosecond),
  'date-text': (rows) => new DateTextBuffer(rows, false),
  'timestamp-text': (rows) => new DateTextBuffer(rows, true),
  text: (rows) => new TextBuffer(rows),
  bytes: (rows) => new BytesBuffer(rows),
};

/** An empty buffer for `rows` rows of the column. */
export function columnBuffer(plan: ColumnPlan, rows: number): ColumnBuffer {
  return BUFFERS[plan.reading](rows, plan);
}

const WIDTHS: Readonly<Record<Reading, number>> = {
  int16: 2,
  int32: 4,
  int64: 8,
  decimal: 16,
  float32: 4,
  float64: 8,
  bool: 1,
  bits: 8,
  'bits-decimal': 16,
  date: 4,
  timestamp: 8,
  'date-text': 4,
  'timestamp-text': 4,
  text: 4,
  bytes: 4,
};

/** Bytes a row takes whatever its values are: fixed widths and offsets. */
export function fixedRowBytes(plans: readonly ColumnPlan[]): number {
  return plans.reduce((sum, plan) => sum + WIDTHS[plan.reading], 0);
}
