/** Days and microseconds since 1970 as PostgreSQL text; no Date, whose range and precision are too small. */

/** First day Redshift holds, 4713-01-01 BC, and the last, 294276-12-31 (reference/redshift.md 4.8). */
const FIRST_DAY = -2_440_550n;
const LAST_DAY = 106_751_991n;
const DAY_MICROS = 86_400_000_000n;

/** Undefined outside the range of DATE. */
export function dateText(days: bigint): string | undefined {
  if (days < FIRST_DAY || days > LAST_DAY) return undefined;
  const { year, month, day } = civil(Number(days));
  const shown = year > 0 ? year : 1 - year;
  const text = `${String(shown).padStart(4, '0')}-${pad(month)}-${pad(day)}`;
  return year > 0 ? text : `${text} BC`;
}

/** Undefined outside the range of TIMESTAMP. */
export function timestampText(micros: bigint, utc: boolean): string | undefined {
  let days = micros / DAY_MICROS;
  if (micros % DAY_MICROS < 0n) days -= 1n;
  const date = dateText(days);
  if (date === undefined) return undefined;
  const rest = micros - days * DAY_MICROS;
  const seconds = Number(rest / 1_000_000n);
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(pad).join(':');
  const [day, era] = date.split(' ');
  return `${day} ${clock}.${String(rest % 1_000_000n).padStart(6, '0')}${utc ? '+00' : ''}${era === undefined ? '' : ' BC'}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** Proleptic Gregorian date of a day number, by counting 400-year cycles from 0000-03-01. */
function civil(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const cycle = Math.floor(shifted / 146_097);
  const inCycle = shifted - cycle * 146_097;
  const yearOfCycle = Math.floor(
    (inCycle - Math.floor(inCycle / 1460) + Math.floor(inCycle / 36_524) - Math.floor(inCycle / 146_096)) / 365,
  );
  const inYear = inCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  const fromMarch = Math.floor((5 * inYear + 2) / 153);
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const day = inYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  return { year: yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0), month, day };
}
