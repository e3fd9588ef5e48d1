/** One file from a stream of bytes: complete, durable and never in place of another, or absent. */
import { type FileHandle, open, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { linkNew, makeDirectory, syncDirectory, temporaryName } from '../durable-file.js';
import { Failure, fileFailure, systemCode } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { type Sink, interruptible } from '../stage.js';
import { Sum } from './checksums.js';
import { pause } from '../retry.js';
import { OLD_MS, SETTLE_MS } from './renewal.js';
import { type Stored, crcText, nameTaken } from './stored.js';

/** Memory: one chunk. A file that is killed half-way leaves a temporary one, which s3-clean finds. */
export function fileObject(path: string, settleMs = SETTLE_MS): Sink<Uint8Array, Stored> {
  return async (input, signal) => {
    const temporary = temporaryName(path);
    try {
      await makeDirectory(dirname(path)).catch((error: unknown) => {
        throw fileFailure(error, 'creating', dirname(path));
      });
      await failpoint('s3-put.before-create');
      const { sum, bytes } = await written(temporary, interruptible(input, signal));
      await failpoint('s3-put.before-complete');
      const created = await linkNew(temporary, path);
      await rm(temporary, { force: true });
      await syncDirectory(dirname(path));
      await failpoint('s3-put.after-complete');
      const stored = { url: `file://${path}`, bytes, etag: `"${sum}"`, crc32: sum, created };
      if (!created) {
        await demandSame(path, stored);
        await renewFile(path, settleMs, signal);
      }
      return stored;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  };
}

async function written(temporary: string, input: AsyncIterable<Uint8Array>): Promise<{ sum: string; bytes: number }> {
  const sum = new Sum();
  let bytes = 0;
  const file = await open(temporary, 'wx', 0o644).catch((error: unknown) => {
    throw fileFailure(error, 'writing', temporary);
  });
  try {
    for await (const chunk of input) {
      sum.update(chunk);
      bytes += chunk.length;
      await onFile(temporary, () => writeAll(file, chunk));
    }
    await onFile(temporary, () => file.sync());
  } finally {
    await file.close();
  }
  return { sum: crcText(sum.crc32), bytes };
}

/** `write` may take less than it was given, on a disk that is nearly full. */
async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten;
}

async function onFile(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw fileFailure(error, 'writing', path);
  }
}

/** An old file is made young, and must be there still when a removal that was decided before is over (renewal.ts). */
async function renewFile(path: string, settleMs: number, signal: AbortSignal): Promise<void> {
  try {
    if (Date.now() - (await stat(path)).mtimeMs <= OLD_MS) return;
    const now = new Date();
    await utimes(path, now, now);
    await pause(settleMs, signal);
    await stat(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new Failure('temporary', `${path}: removed by somebody while it was taken for ours`, { cause: error });
  }
}

async function demandSame(path: string, { url, bytes, crc32 }: Stored): Promise<void> {
  const sum = new Sum();
  let found = 0;
  const file = await open(path).catch((error: unknown) => {
    throw fileFailure(error, 'reading', path);
  });
  try {
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      sum.update(chunk as Buffer);
      found += (chunk as Buffer).length;
    }
  } finally {
    await file.close();
  }
  if (found !== bytes) throw nameTaken(url, `${found} bytes, not ${bytes}`);
  if (crcText(sum.crc32) !== crc32) throw nameTaken(url, 'its checksum is another');
}
