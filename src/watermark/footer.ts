/**
 * The one thing `wm rebuild` needs of a Parquet file: the JSON under the key `tablepipe` in its footer. The
 * footer is Thrift's compact protocol; a key-value pair is two length-prefixed strings, so it can be found
 * without decoding the rest (parquet-format, "File Format" and "Metadata").
 */
import { isPosition } from '../end-record.js';
import { Failure } from '../errors.js';
import { type FileProvenance, PROVENANCE_KEY } from '../provenance.js';
import type { Objects } from './objects.js';

const MAGIC = 'PAR1';
const GUESS_BYTES = 64 << 10;
const FOOTER_BYTES = 64 << 20;

/** The provenance of a Parquet object, or undefined when it is not Parquet or not one of ours. */
export async function footerProvenance(
  objects: Objects,
  url: string,
  size: number,
): Promise<FileProvenance | undefined> {
  let end = await objects.lastBytes(url, size, GUESS_BYTES);
  if (end.length < 12 || end.toString('latin1', end.length - 4) !== MAGIC) return undefined;
  const footerBytes = end.readUInt32LE(end.length - 8);
  if (footerBytes > FOOTER_BYTES || footerBytes + 12 > size) {
    throw new Failure('data', `${url}: its footer claims ${footerBytes} bytes`);
  }
  if (footerBytes + 8 > end.length) end = await objects.lastBytes(url, size, footerBytes + 8);
  return provenanceIn(end.subarray(end.length - 8 - footerBytes, end.length - 8));
}

/** Field 1 of the pair: a string of nine bytes, the key; field 2: the value. 0x18 = "next field, a string". */
const KEY = Buffer.concat([
  Buffer.from([0x18, PROVENANCE_KEY.length]),
  Buffer.from(PROVENANCE_KEY),
  Buffer.from([0x18]),
]);

function provenanceIn(footer: Buffer): FileProvenance | undefined {
  const at = footer.lastIndexOf(KEY);
  if (at < 0) return undefined;
  let length = 0;
  let position = at + KEY.length;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = footer[position] ?? 0;
    position += 1;
    length += (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  try {
    const value = JSON.parse(footer.toString('utf8', position, position + length)) as FileProvenance;
    return value.v === 1 && isPosition(value.from) && isPosition(value.to) ? value : undefined;
  } catch {
    return undefined;
  }
}
