/** `-o FILE`: complete or absent. A temporary name beside it, fsync, then the name, then the folder's fsync. */
import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure, fileFailure, systemCode } from '../errors.js';
import type { Sink } from '../stage.js';

/**
 * Writes everything to `path`. 73 when the file exists with other bytes and `overwrite` is not set: the same bytes
 * written again are a success, so that a line can be run twice.
 */
export function outputFile(path: string, overwrite: boolean): Sink<Uint8Array, number> {
  return async (input) => {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      const bytes = await write(temporary, input);
      if (overwrite) await rename(temporary, path);
      else await linkNew(temporary, path);
      await syncFolder(dirname(path));
      return bytes;
    } catch (error) {
      if (error instanceof Failure || systemCode(error) === undefined) throw error;
      throw fileFailure(error, 'writing', path);
    } finally {
      await rm(temporary, { force: true }).catch(() => {});
    }
  };
}

async function write(path: string, input: AsyncIterable<Uint8Array>): Promise<number> {
  const file = await open(path, 'wx', 0o666);
  let bytes = 0;
  try {
    for await (const chunk of input) {
      for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
      bytes += chunk.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return bytes;
}

/** `link` never replaces a file, unlike `rename`. */
async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    if (await sameBytes(temporary, path)) return;
    throw new Failure('cannot-create', `${path} exists and holds something else`, {
      hint: 'Choose another name, or say --overwrite.',
    });
  }
}

async function sameBytes(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([open(one), open(other)]);
  try {
    if ((await a.stat()).size !== (await b.stat()).size) return false;
    const [left, right] = [Buffer.allocUnsafe(1 << 20), Buffer.allocUnsafe(1 << 20)];
    for (;;) {
      const [{ bytesRead }, { bytesRead: also }] = await Promise.all([a.read(left), b.read(right)]);
      if (bytesRead !== also || left.compare(right, 0, also, 0, bytesRead) !== 0) return false;
      if (bytesRead === 0) return true;
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

/** The new name itself must survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
