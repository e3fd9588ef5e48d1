/** What every program that reads stored bytes asks of them, wherever they are. */
import { Failure } from '../errors.js';

export interface StoredObject {
  readonly url: string;
  readonly byteLength: number;
  /** Undefined for a file. */
  readonly etag: string | undefined;
  /** The store's own CRC-32 of the whole object, eight hex digits, when it keeps one. */
  readonly crc32: string | undefined;
  /** Bytes `start` (inclusive) to `end` (exclusive), all of them, in one buffer. */
  read(start: number, end: number): Promise<Buffer>;
  /** Bytes from `start` (inclusive) to `end` (exclusive; the end of the object by default), a chunk at a time. */
  stream(start?: number, end?: number): AsyncGenerator<Uint8Array>;
  /** Gives back the file descriptor; nothing to do for S3. */
  close(): Promise<void>;
}

/** 65 when a range is not in the object. */
export function demandRange(object: StoredObject, start: number, end: number): void {
  if (start >= 0 && start <= end && end <= object.byteLength) return;
  throw new Failure('data', `${object.url} has ${object.byteLength} bytes; ${start} to ${end} were asked for`);
}
