/**
 * Names: folding, length and the names nobody may use (reference/redshift.md 4.7, rule 46).
 *
 * Redshift keeps 127 bytes of a name and PostgreSQL 63. A longer one is stored behind under a short form, and
 * the long form is kept in `long` so that results and catalogue views can show it.
 */
import { createHash } from 'node:crypto';
import { SqlError } from './sql-error.js';
import { asciiLower } from './token.js';

const REDSHIFT_BYTES = 127;
const POSTGRES_BYTES = 63;
const SYSTEM_COLUMNS = new Set(['oid', 'tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']);

/** Short form in the backing server → the name Redshift would show. Grows by one entry per long name used. */
export const longNames = new Map<string, string>();

/** The name as Redshift stores it: ASCII lower-cased even when it was quoted, cut at 127 bytes. */
export function fold(name: string, caseSensitive = false): string {
  return cutBytes(caseSensitive ? name : asciiLower(name), REDSHIFT_BYTES);
}

/** The name in the server behind, always quoted. */
export function backing(folded: string): string {
  return `"${backingName(folded).replaceAll('"', '""')}"`;
}

export function backingName(folded: string): string {
  if (Buffer.byteLength(folded) <= POSTGRES_BYTES) return folded;
  const short = `${cutBytes(folded, 45)}~${createHash('sha256').update(folded).digest('hex').slice(0, 16)}`;
  longNames.set(short, folded);
  return short;
}

/** The name Redshift would show for one that came out of the server behind. */
export function shownName(name: string): string {
  return longNames.get(name) ?? name;
}

/** Refuses the columns of PostgreSQL's own bookkeeping, both as new names and in expressions. */
export function refuseSystemColumn(folded: string, creating: boolean): void {
  if (!SYSTEM_COLUMNS.has(folded)) return;
  if (creating) throw new SqlError('42701', `column name "${folded}" conflicts with a system column name`);
  throw new SqlError('42703', `column "${folded}" does not exist`);
}

/** The longest prefix of at most `bytes` UTF-8 bytes that ends at a character. */
export function cutBytes(text: string, bytes: number): string {
  const all = Buffer.from(text, 'utf8');
  if (all.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return all.toString('utf8', 0, end);
}

/** A string literal for the server behind, which runs with standard_conforming_strings on. */
export function literal(value: string): string {
  if (value.includes('\0')) throw new SqlError('22021', 'invalid byte sequence for encoding "UNICODE": 0x00');
  return `'${value.replaceAll("'", "''")}'`;
}
