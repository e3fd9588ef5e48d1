/** Strings inside a JSON text: Redshift's SUPER has a limit for each of them (reference/redshift.md 1.7). */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;

/** UTF-8 bytes of the longest string in a valid JSON text, names of members included, with its escapes resolved. */
export function longestString(json: Uint8Array): number {
  let longest = 0;
  for (let at = json.indexOf(QUOTE); at >= 0; ) {
    const { bytes, end } = stringFrom(json, at + 1);
    longest = Math.max(longest, bytes);
    at = json.indexOf(QUOTE, end + 1);
  }
  return longest;
}

function stringFrom(json: Uint8Array, start: number): { bytes: number; end: number } {
  let bytes = 0;
  let at = start;
  while (at < json.length && json[at] !== QUOTE) {
    if (json[at] !== BACKSLASH) {
      bytes += 1;
      at += 1;
    } else if (json[at + 1] === LOWER_U) {
      bytes += unitBytes(Number.parseInt(Buffer.from(json.subarray(at + 2, at + 6)).toString('latin1'), 16));
      at += 6;
    } else {
      bytes += 1;
      at += 2;
    }
  }
  return { bytes, end: at };
}

/** Of one UTF-16 unit; a pair of surrogates is a character of four. */
function unitBytes(unit: number): number {
  if (unit < 0x80) return 1;
  return unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
}
