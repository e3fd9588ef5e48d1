/** What a sink of objects returns, and what it says when the name is taken. */
import { Failure } from '../errors.js';

export interface Stored {
  url: string;
  bytes: number;
  etag: string;
  /** CRC-32 of the whole object, eight hex digits. */
  crc32: string;
  /** False when the same bytes were there before. */
  created: boolean;
}

export function crcText(sum: number): string {
  return sum.toString(16).padStart(8, '0');
}

/** The failure for a name that holds something else; nothing is ever replaced. */
export function nameTaken(url: string, why: string, cause?: unknown): Failure {
  return new Failure('cannot-create', `${url} exists and is not the same: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'Objects are never replaced. Choose another name, or remove the old one first.',
  });
}
