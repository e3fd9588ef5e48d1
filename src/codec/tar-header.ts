/**
 * One tar header block, and the extended (pax) records before it: POSIX.1-2017 pax, ustar with GNU's long names.
 * tar-stream's reader cannot say where an archive was cut and does not ask for its closing blocks, so headers are
 * read here.
 */
import { Failure } from '../errors.js';

export const BLOCK = 512;

export type TarKind = 'file' | 'folder' | 'pax' | 'global-pax' | 'long-name' | 'other';

export interface TarHeader {
  name: string;
  bytes: number;
  kind: TarKind;
}

const KINDS: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '5': 'folder',
  x: 'pax',
  g: 'global-pax',
  L: 'long-name',
};

/** True when a block looks like a tar header: for telling a tar from other bytes. */
export function isTarHeader(block: Uint8Array): boolean {
  return block.length === BLOCK && Buffer.from(block).toString('latin1', 257, 262) === 'ustar' && checksumHolds(block);
}

export function isZero(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/** Reads a header; 65 when its checksum does not hold or its size is no number. */
export function tarHeader(block: Uint8Array): TarHeader {
  if (!isTarHeader(block)) throw new Failure('data', 'a header of the tar stream is damaged');
  const text = Buffer.from(block);
  const prefix = text.toString('latin1', 257, 263) === 'ustar\0' ? field(text, 345, 155) : '';
  const name = field(text, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    bytes: sizeIn(text.subarray(124, 136)),
    kind: KINDS[text.toString('latin1', 156, 157)] ?? 'other',
  };
}

/** Unsigned sum of all bytes, the checksum's own eight counted as spaces. */
function checksumHolds(block: Uint8Array): boolean {
  let sum = 0;
  for (let at = 0; at < BLOCK; at += 1) sum += at >= 148 && at < 156 ? 32 : (block[at] ?? 0);
  return sum === Number.parseInt(field(Buffer.from(block), 148, 8), 8);
}

/** Octal digits, or (GNU) a big-endian number behind a byte of 0x80. */
function sizeIn(bytes: Buffer): number {
  if (bytes[0] === 0x80) {
    const size = Number(bytes.readBigUInt64BE(4));
    if (Number.isSafeInteger(size)) return size;
  }
  const digits = bytes.toString('latin1').replace(/[\0 ]+$/, '');
  if (!/^ *[0-7]+$/.test(digits)) throw new Failure('data', 'a header of the tar stream has no size');
  return Number.parseInt(digits, 8);
}

function field(block: Buffer, start: number, length: number): string {
  const text = block.subarray(start, start + length);
  const end = text.indexOf(0);
  return text.toString('utf8', 0, end < 0 ? length : end);
}

/** `LENGTH KEY=VALUE\n` records; 65 when they do not fill their member exactly. */
export function paxRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString('latin1', at, space));
    const end = at + length;
    const equals = bytes.indexOf(61, space);
    const whole = space > at && Number.isSafeInteger(length) && equals > space && equals < end && bytes[end - 1] === 10;
    if (!whole) throw new Failure('data', 'an extended header of the tar stream is damaged');
    records.set(bytes.toString('utf8', space + 1, equals), bytes.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return records;
}
