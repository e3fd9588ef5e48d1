/**
 * How values of one type of a warehouse fit a column of another. What PostgreSQL and Redshift judge alike is here:
 * integers and decimals. Each has its own names for types, and its own rules for text.
 */

/** `checked`: the server refuses a value that does not fit; nothing is lost in silence. */
export type Fit = 'same' | 'lossless' | 'checked' | 'cast';

/** The way of a file's column into a column of the table. */
export interface Conversion {
  /** The type of its column in the staging table. */
  staging: string;
  fit: Fit;
  /** From the staged column, quoted, to the value. */
  value(column: string): string;
}

/** `numeric(10,2)` taken apart; the base in lower case. */
export interface Parts {
  base: string;
  args: readonly number[];
}

export function partsOf(type: string): Parts {
  const [, base = type, args] = /^([^(]*)(?:\(([0-9,]+)\))?$/.exec(type) ?? [];
  return { base: base.toLowerCase(), args: args === undefined ? [] : args.split(',').map(Number) };
}

/** Digits of the longest value of each integer type. */
const INTEGERS = new Map([
  ['smallint', 5],
  ['integer', 10],
  ['bigint', 19],
]);

export function isInteger({ base }: Parts): boolean {
  return INTEGERS.has(base);
}

/** Of an integer type into any other. */
export function integerFit(from: Parts, to: Parts): Fit {
  const digits = INTEGERS.get(from.base) ?? 0;
  const there = INTEGERS.get(to.base);
  if (there !== undefined) return there >= digits ? 'lossless' : 'checked';
  // 53 bits hold every value of 32.
  if (to.base === 'double precision') return digits > 10 ? 'cast' : 'lossless';
  if (!isDecimal(to)) return 'cast';
  const [precision = Number.POSITIVE_INFINITY, scale = 0] = to.args;
  return precision - scale >= digits ? 'lossless' : 'checked';
}

export function isDecimal({ base }: Parts): boolean {
  return base === 'numeric' || base === 'decimal';
}

/** Fewer digits before the point are refused by the server; fewer after it would be rounded. */
export function decimalFit(from: Parts, to: Parts): Fit {
  const [precision, scale = 0] = to.args;
  if (precision === undefined) return 'lossless';
  const [has = Number.POSITIVE_INFINITY, after = 0] = from.args;
  if (scale < after) return 'cast';
  return precision - scale >= has - after ? 'lossless' : 'checked';
}
