/**
 * Cursor positions as people type them, and the only comparison of positions anywhere. Values stay the exact
 * text MySQL sent: no number, no Date, no collation. Order is answered only where the text proves it.
 */
import { isPosition, type Position } from '../end-record.js';
import { Failure } from '../errors.js';

/** Same values, same count; null equals only null. */
export function samePosition(a: Position | null, b: Position | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

/**
 * -1, 0 or 1 where the order is certain: equal texts, two integers, or two dates. Undefined otherwise, since
 * strings are ordered by a collation only the server knows. A prefix stands before every position it begins;
 * null (nothing read) stands before everything.
 */
export function comparePositions(a: Position | null, b: Position | null): -1 | 0 | 1 | undefined {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const order = compareValues(a[index] ?? '', b[index] ?? '');
    if (order !== 0) return order;
  }
  return order(a.length, b.length);
}

const INTEGER = /^-?[0-9]+$/;
const TIMESTAMP = /^([0-9]{4}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?)?$/;

function compareValues(a: string, b: string): -1 | 0 | 1 | undefined {
  if (a === b) return 0;
  if (INTEGER.test(a) && INTEGER.test(b)) return order(BigInt(a), BigInt(b));
  const left = sortableTime(a);
  const right = sortableTime(b);
  return left === undefined || right === undefined ? undefined : order(left, right);
}

/** A date or time as a text of fixed width, so that `12:00:00` and `12:00:00.000000` are the same moment. */
function sortableTime(value: string): string | undefined {
  const match = TIMESTAMP.exec(value);
  return match ? `${match[1]} ${match[2] ?? '00:00:00'}.${(match[3] ?? '').padEnd(6, '0')}` : undefined;
}

function order<T extends number | bigint | string>(a: T, b: T): -1 | 0 | 1 {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** True for text that looks like a MySQL date or time. */
export function isTimestamp(value: string | undefined): boolean {
  return value !== undefined && TIMESTAMP.test(value);
}

/** Words that stand for "no value" in the languages our users come from; as a cursor each is nearly always a mistake. */
const NOTHING = /^(?:|none|null|nil|nan|nat|undefined)$/i;

/**
 * `--timestamp 'YYYY-MM-DD[ HH:MM:SS[.ffffff]]'` as a position of one value: an inclusive prefix. 64 for
 * anything else, also for a zero or impossible date, which no server would order as its writer meant.
 */
export function positionOfTimestamp(text: string): Position {
  const match = TIMESTAMP.exec(text);
  const [year, month, day] = (match?.[1] ?? '').split('-').map(Number);
  const [hour = 0, minute = 0, second = 0] = (match?.[2] ?? '').split(':').map(Number);
  const days = month && month <= 12 ? new Date(Date.UTC(year ?? 0, month, 0)).getUTCDate() : 0;
  const real = year !== 0 && day !== undefined && day >= 1 && day <= days && hour < 24 && minute < 60 && second < 60;
  if (!match || !real) {
    throw new Failure('usage', `--timestamp ${JSON.stringify(text)}: not a date and time`, {
      hint: "Write 'YYYY-MM-DD HH:MM:SS', with up to six fractional digits; to start over use `wm reset`.",
    });
  }
  return [text];
}

/**
 * `--cursor '["2024-01-01 00:00:00.000000","42"]'`. Values are JSON strings, so 64-bit ids keep their digits.
 * 64 for other JSON, and for values such as `None` or an empty text unless `literal` says they are meant.
 */
export function positionOfJson(text: string, literal: boolean): Position {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!Array.isArray(value) || value.length === 0 || !isPosition(value)) {
    throw new Failure('usage', '--cursor: expected a JSON array of strings', {
      hint: 'Example: \'["2024-01-01 00:00:00.000000","42"]\'; numbers go in quotes too, so that no digit is lost.',
    });
  }
  const position = value as Position;
  const odd = position.find((part) => NOTHING.test(part.trim()) || part.startsWith('0000-00-00'));
  if (odd !== undefined && !literal) {
    throw new Failure('usage', `--cursor: the value ${JSON.stringify(odd)} looks like a missing one`, {
      hint: 'Add --literal if the column really holds it; to start over use `wm reset`.',
    });
  }
  return position;
}
