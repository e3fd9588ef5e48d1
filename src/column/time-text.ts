/**
 * Days and microseconds as MySQL prints them. Years 0000 to 9999 in the proleptic Gregorian calendar; the
 * arithmetic is done in whole numbers, since a float of milliseconds loses microseconds far from 1970.
 */

const DAY_US = 86_400_000_000n;

/** `YYYY-MM-DD` from days since 1970-01-01. */
export function dateText(days: number): string {
  // A Date holds whole days exactly over its whole range; only its own formatting of odd years is avoided.
  const date = new Date(days * 86_400_000);
  return `${String(date.getUTCFullYear()).padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
}

/** `YYYY-MM-DD HH:MM:SS[.ffffff]` from microseconds since 1970, with `digits` (0 to 6) of the fraction. */
export function timestampText(microseconds: bigint, digits: number): string {
  let days = microseconds / DAY_US;
  let rest = microseconds % DAY_US;
  if (rest < 0n) {
    days -= 1n;
    rest += DAY_US;
  }
  return `${dateText(Number(days))} ${clockText(rest, digits)}`;
}

/** `HH:MM:SS[.ffffff]` from microseconds; hours beyond two digits are kept. */
export function clockText(microseconds: bigint, digits: number): string {
  const us = Number(microseconds);
  const seconds = Math.floor(us / 1e6);
  const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return digits === 0
    ? clock
    : `${clock}.${String(us % 1e6)
        .padStart(6, '0')
        .slice(0, digits)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
