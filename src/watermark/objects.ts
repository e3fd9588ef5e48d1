/** What the chain asks of the objects its receipts speak of. `src/source/objects.ts` answers; nothing is changed. */

import type { FileProvenance } from '../provenance.js';

export interface Look {
  bytes: number;
  /** Undefined where there is no such thing. */
  etag?: string;
  /** The store's own CRC-32 of the whole object, eight hex digits, when it keeps one. */
  crc32?: string;
}

export interface Objects {
  /** What is under a URL; undefined when nothing is. */
  look(url: string): Promise<Look | undefined>;
  /** CRC-32 of the bytes, read now, one chunk in memory; eight hex digits. */
  checksum(url: string): Promise<string>;
  /** What one of our own Parquet files says about itself; undefined for any other object. */
  provenance(url: string): Promise<FileProvenance | undefined>;
  /** URLs directly and deeper below a folder, in byte order. */
  below(folder: string): AsyncIterable<string>;
}
