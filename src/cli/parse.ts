/**
 * Turns the words a person types (sizes, durations, counts, tables) into values. Strict on purpose: `64M`
 * means two different things to curl and to a disk, so it is refused with both readings
 * (reference/cli-ux.md section 8).
 */
import { Failure } from '../errors.js';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes from `64MiB`, `500MB`, `4096` or `1_000_000`. */
export function parseSize(text: string, flag: string): number {
  const match = /^([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)$/.exec(text);
  const unit = match?.[2] ?? '?';
  if (/^[kKMGT]$/.test(unit)) {
    const upper = unit.toUpperCase();
    throw new Failure('usage', `${flag} ${text}: say ${match?.[1]}${upper}iB (1024) or ${match?.[1]}${unit}B (1000)`);
  }
  const factor = SIZE_UNITS[unit];
  if (!match || factor === undefined)
    throw new Failure('usage', `${flag} ${text}: not a size`, { hint: 'Examples: 64MiB, 500MB, 4096.' });
  const bytes = Math.round(Number(match[1]?.replaceAll('_', '')) * factor);
  if (!Number.isSafeInteger(bytes)) throw new Failure('usage', `${flag} ${text}: too large`);
  return bytes;
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3600e3,
  d: 86400e3,
  w: 7 * 86400e3,
};

/** Milliseconds from `500ms`, `30s`, `1h30m`, `7d`; a bare number is refused except 0. */
export function parseDuration(text: string, flag: string): number {
  if (text === '0') return 0;
  if (!/^(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d|w))+$/.test(text)) {
    const hint = /^[0-9]+$/.test(text)
      ? `Say the unit: ${text}s or ${text}ms.`
      : 'Examples: 500ms, 30s, 15m, 1h30m, 7d.';
    throw new Failure('usage', `${flag} ${text}: not a duration`, { hint });
  }
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h|d|w)/g))
    total += Number(amount) * (DURATION_UNITS[unit ?? ''] ?? 0);
  return Math.round(total);
}

/** A whole number from `least` up. */
export function parseCount(text: string, flag: string, least = 1): number {
  const digits = text.replaceAll('_', '');
  const value = Number(digits);
  if (!/^[0-9]+$/.test(digits) || !Number.isSafeInteger(value) || value < least) {
    throw new Failure('usage', `${flag} ${text}: not a whole number of at least ${least}`);
  }
  return value;
}

/** One of the words of a closed list. */
export function parseChoice<T extends string>(text: string, flag: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (!found) throw new Failure('usage', `${flag} ${text}: expected one of ${choices.join(', ')}`);
  return found;
}

export interface TableName {
  schema: string;
  table: string;
}

/** `db.table`; either part may be quoted with backticks (doubled inside) when it holds a dot or a backtick. */
export function parseTable(text: string, what = 'table'): TableName {
  const parts = [...text.matchAll(/`((?:[^`]|``)+)`|([^.`]+)|(\.)/gy)].map(
    (match) => match[3] ?? match[1]?.replaceAll('``', '`') ?? match[2] ?? '',
  );
  const joined = [...text.matchAll(/`((?:[^`]|``)+)`|([^.`]+)|(\.)/gy)].map((match) => match[0]).join('');
  const [schema, dot, table] = parts;
  if (joined !== text || parts.length !== 3 || dot !== '.' || !schema || !table) {
    throw new Failure('usage', `${what} ${text}: expected schema.table`, {
      hint: 'Names that hold a dot go in backticks: `a.b`.c',
    });
  }
  if (text.includes('\0')) throw new Failure('usage', `${what}: the name holds a NUL character`);
  return { schema, table };
}
