/** 128-bit decimals as PostgreSQL's numeric: a sign, a weight, and digits in base 10,000 (numeric_recv). */
import type { Chunk } from './postgres-binary.js';

/** Base-10,000 digits of the value being written, most significant first; 38 decimal digits need at most 11. */
const groups = new Int16Array(24);

/**
 * Writes length and value of a decimal given as four words of two's complement, least significant first.
 * @param scale digits after the point; 0 or more
 */
export function writeNumeric(out: Chunk, w0: number, w1: number, w2: number, w3: number, scale: number): void {
  const pad = (4 - (scale % 4)) % 4;
  // What fits 53 bits, fraction padded to whole groups included, is split with plain numbers.
  const positive = (w3 | w2) === 0 && w1 < 0x20_0000;
  const negative = w3 === 0xffff_ffff && w2 === 0xffff_ffff && w1 >= 0xffe0_0000;
  if ((positive || negative) && scale + pad <= 15) {
    const value = (negative ? w1 - 0x1_0000_0000 : w1) * 0x1_0000_0000 + w0;
    return writeSmall(out, value, scale, pad);
  }
  const low = (BigInt(w1) << 32n) | BigInt(w0);
  const high = BigInt.asIntN(64, (BigInt(w3) << 32n) | BigInt(w2));
  return writeLarge(out, (high << 64n) | low, scale, pad);
}

function writeSmall(out: Chunk, value: number, scale: number, pad: number): void {
  const magnitude = Math.abs(value);
  const unit = 10 ** scale;
  // The quotient of two exact numbers may round up to the next integer; the remainder then says so.
  let whole = Math.floor(magnitude / unit);
  let fraction = magnitude - whole * unit;
  if (fraction < 0) {
    whole -= 1;
    fraction += unit;
  }
  const fractions = (scale + pad) / 4;
  let rest = fraction * 10 ** pad;
  let first = groups.length;
  for (let i = 0; i < fractions; i += 1) {
    first -= 1;
    groups[first] = rest % 10_000;
    rest = Math.floor(rest / 10_000);
  }
  for (; whole > 0; whole = Math.floor(whole / 10_000)) {
    first -= 1;
    groups[first] = whole % 10_000;
  }
  writeGroups(out, first, fractions, value < 0, scale);
}

function writeLarge(out: Chunk, value: bigint, scale: number, pad: number): void {
  let rest = (value < 0n ? -value : value) * 10n ** BigInt(pad);
  let first = groups.length;
  for (; rest > 0n; rest /= 10_000n) {
    first -= 1;
    groups[first] = Number(rest % 10_000n);
  }
  writeGroups(out, first, (scale + pad) / 4, value < 0n, scale);
}

/** The groups from `first` to the end of the scratch array, the last `fractions` of them after the point. */
function writeGroups(out: Chunk, first: number, fractions: number, negative: boolean, scale: number): void {
  let start = first;
  while (start < groups.length && groups[start] === 0) start += 1;
  const count = groups.length - start;
  out.room(12 + count * 2);
  const { view, at } = out;
  view.setInt32(at, 8 + count * 2);
  view.setInt16(at + 4, count);
  view.setInt16(at + 6, count === 0 ? 0 : count - fractions - 1);
  view.setInt16(at + 8, negative && count > 0 ? 0x4000 : 0);
  view.setInt16(at + 10, scale);
  for (let i = 0; i < count; i += 1) view.setInt16(at + 12 + i * 2, groups[start + i] as number);
  out.at = at + 12 + count * 2;
}
