/**
 * What a chain asks of a place that keeps it: files created only if absent. That one operation is the commit
 * point of everything; the rest is reading. Keys are `folder/name`, relative to the store's URL.
 */
import { createHash } from 'node:crypto';

export interface Entry {
  name: string;
  bytes: number;
  /** The store's own mark of the content, when it has one. */
  etag?: string;
}

/** A part of a listing. */
export interface Page {
  entries: readonly Entry[];
  /** True when names may come after these: a page may be short and not the last. `entries` is not empty then. */
  more: boolean;
}

export interface Created {
  outcome: 'created' | 'exists';
  etag?: string;
}

export interface WatermarkStore {
  /** For messages: where this is. */
  readonly url: string;
  /** True when listing a folder costs one request per thousand names, so that a hint pays. */
  readonly paged: boolean;
  /**
   * Creates a file unless it exists; complete and durable when it resolves. Throws `temporary` when the
   * outcome is unknown: the caller then reads the key and compares.
   */
  create(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<Created>;
  /** The whole file, at most 64 MiB; undefined when there is none. */
  read(key: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Writes a file of no authority (hints), replacing what is there. */
  replace(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Removes a file; one that is absent is fine. */
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** Files directly in a folder with names after `after`, sorted by byte: one page. */
  list(folder: string, after: string, signal: AbortSignal): Promise<Page>;
  /** Folders directly in the store. */
  folders(signal: AbortSignal): Promise<readonly string[]>;
  /** Milliseconds since 1970 by the store's clock, as of the last request; by this machine's when it has none. */
  now(): number;
}

/** Largest file read: a generation of 10,000 receipts is about 6 MB. */
export const FILE_BYTES = 64 << 20;

const NAME_BYTES = 180;

/**
 * The folder of a table: its name with everything but letters, digits, `.`, `-` and `_` as %XX, so that no
 * table name can leave the store or meet one of the store's own names (which begin with `_`).
 */
export function tableFolder(table: string): string {
  const safe = [...Buffer.from(table)]
    .map((byte, index) => {
      const char = String.fromCharCode(byte);
      const plain = index === 0 ? /[A-Za-z0-9-]/ : /[A-Za-z0-9._-]/;
      return plain.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');
  if (safe.length <= NAME_BYTES) return safe;
  // File names end at 255 bytes; the digest keeps long names apart.
  return `${safe.slice(0, NAME_BYTES - 34)}%-${createHash('sha256').update(table).digest('hex').slice(0, 32)}`;
}

const DIGITS = 10;

/** The largest number a generation can have: names sort by byte, so all have the same width. */
export const LAST_GENERATION = 10 ** DIGITS - 1;

/** `0000000042.json`. */
export function generationName(generation: number): string {
  return `${String(generation).padStart(DIGITS, '0')}.json`;
}

/** The number in such a name, or undefined for any other file. */
export function generationOfName(name: string): number | undefined {
  const digits = /^([0-9]{10})\.json$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
