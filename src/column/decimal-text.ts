/** Arrow decimals as exact text: no float in between, the scale kept to the last zero. */
import type { Decimal } from 'apache-arrow';

/** The value at `row`; `words` holds four (128 bits) or eight (256 bits) little-endian words a value. */
export function decimalText(words: Uint32Array, row: number, { scale, bitWidth }: Decimal): string {
  return scaledText(decimalUnits(words, row, bitWidth / 32), scale);
}

/** The unscaled integer at `row`, of `width` 32-bit words in two's complement. */
export function decimalUnits(words: Uint32Array, row: number, width: number): bigint {
  const at = row * width;
  const low = (words[at] ?? 0) + (words[at + 1] ?? 0) * 2 ** 32;
  const high = (words[at + 2] ?? 0) | (words[at + 3] ?? 0);
  if (width === 4 && high === 0 && low <= Number.MAX_SAFE_INTEGER) return BigInt(low);
  let value = 0n;
  for (let word = width - 1; word >= 0; word -= 1) value = (value << 32n) | BigInt(words[at + word] ?? 0);
  return BigInt.asIntN(width * 32, value);
}

/** `12345` with scale 2 is `123.45`; with scale 0 it stays; a negative scale adds zeros. */
export function scaledText(units: bigint, scale: number): string {
  if (scale <= 0) return units === 0n ? '0' : `${units}${'0'.repeat(-scale)}`;
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
