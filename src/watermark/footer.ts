/** What `wm rebuild` needs of a Parquet object: its provenance, with two short reads from its end. */
import { Failure } from '../errors.js';
import { TRAILER_BYTES, footerLength, parseFooter, provenanceOf } from '../parquet-footer.js';
import type { FileProvenance } from '../provenance.js';
import type { Objects } from './objects.js';

const GUESS_BYTES = 64 << 10;

/** The provenance of a Parquet object, or undefined when it is not Parquet or not one of ours. */
export async function footerProvenance(
  objects: Objects,
  url: string,
  size: number,
): Promise<FileProvenance | undefined> {
  let end = await objects.lastBytes(url, size, GUESS_BYTES);
  const footerBytes = footerLength(end, size);
  if (footerBytes === undefined) return undefined;
  const wanted = footerBytes + TRAILER_BYTES;
  if (wanted > end.length) end = await objects.lastBytes(url, size, wanted);
  try {
    return provenanceOf(parseFooter(end.subarray(end.length - wanted, end.length - TRAILER_BYTES)));
  } catch (cause) {
    throw new Failure('data', `${url}: its footer is damaged`, { cause });
  }
}
