/** Arrow bitmaps (least significant bit first): validity and booleans, copied and counted a byte at a time. */

/** Copies `count` bits; a source of undefined stands for ones. The target's bits from `to` on must be zero. */
export function copyBits(
  source: Uint8Array | undefined,
  from: number,
  target: Uint8Array,
  to: number,
  count: number,
): void {
  let done = 0;
  while (done < count) {
    const at = to + done;
    const shift = at & 7;
    const taken = Math.min(8 - shift, count - done);
    const bits = source === undefined ? 0xff : bitsAt(source, from + done);
    target[at >> 3] = (target[at >> 3] ?? 0) | ((bits & ((1 << taken) - 1)) << shift);
    done += taken;
  }
}

/** Eight bits from any position. */
function bitsAt(source: Uint8Array, position: number): number {
  const at = position >> 3;
  return ((source[at] ?? 0) | ((source[at + 1] ?? 0) << 8)) >> (position & 7);
}

/** How many of the first `count` bits are set; bits beyond them must be zero. */
export function countBits(bits: Uint8Array, count: number): number {
  let set = 0;
  for (let at = 0; at < (count + 7) >> 3; at += 1) {
    let byte = bits[at] ?? 0;
    byte -= (byte >> 1) & 0x55;
    byte = (byte & 0x33) + ((byte >> 2) & 0x33);
    set += (byte + (byte >> 4)) & 15;
  }
  return set;
}
