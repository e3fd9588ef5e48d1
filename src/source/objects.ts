/** The objects receipts speak of, seen again: what the watermark chain asks, answered by the stores. Reads only. */
import { crc32 } from 'node:zlib';
import { TAIL_BYTES, footerBytes, parseFooter } from '../codec/parquet-footer.js';
import { MAGIC } from '../codec/parquet-row-group.js';
import { type FileProvenance, PROVENANCE_KEY, parseFileProvenance } from '../provenance.js';
import type { Look, Objects } from '../watermark/objects.js';
import { listObjects } from './listing.js';
import { type ObjectAccess, lookAtObject, openObject } from './object.js';
import type { StoredObject } from './stored-object.js';

/** Most footers are shorter, and are had with one read. */
const GUESS_BYTES = 64 << 10;

export class StoredObjects implements Objects {
  constructor(private readonly access: ObjectAccess) {}

  look(url: string): Promise<Look | undefined> {
    return lookAtObject(url, this.access);
  }

  async checksum(url: string): Promise<string> {
    return this.with(url, async (object) => {
      let sum = 0;
      for await (const chunk of object.stream()) sum = crc32(chunk, sum);
      return sum.toString(16).padStart(8, '0');
    });
  }

  provenance(url: string): Promise<FileProvenance | undefined> {
    return this.with(url, (object) => provenanceIn(object));
  }

  async *below(folder: string): AsyncGenerator<string> {
    for await (const { url } of listObjects(folder, this.access)) yield url;
  }

  private async with<T>(url: string, use: (object: StoredObject) => Promise<T>): Promise<T> {
    const object = await openObject(url, this.access);
    try {
      return await use(object);
    } finally {
      await object.close();
    }
  }
}

/** Reads the footer of a Parquet file of ours; undefined for anything else. Two reads at most. */
export async function provenanceIn(
  object: Pick<StoredObject, 'byteLength' | 'read'>,
): Promise<FileProvenance | undefined> {
  const size = object.byteLength;
  let end = await object.read(Math.max(0, size - GUESS_BYTES), size);
  if (size < MAGIC.length + TAIL_BYTES || !end.subarray(-MAGIC.length).equals(MAGIC)) return undefined;
  const wanted = footerBytes(end, size) + TAIL_BYTES;
  if (wanted > end.length) end = await object.read(size - wanted, size);
  const { keyValues } = parseFooter(end.subarray(end.length - wanted, end.length - TAIL_BYTES));
  return parseFileProvenance(keyValues.get(PROVENANCE_KEY));
}
