/** Bytes that wait until their number is known: in memory up to a bound, beyond it in a temporary file. */
import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileFailure } from '../errors.js';
import { PassingBytes } from '../young-garbage.js';

/** What stays in memory, in bytes. */
export const SPOOL_MEMORY_BYTES = 16 << 20;

const CHUNK_BYTES = 1 << 20;

/**
 * Written once from start to end, then read. The file has no name from the moment it is open, so a killed
 * process leaves nothing behind. 74 when the disk is full.
 */
export class Spool {
  bytes = 0;
  private chunks: Uint8Array[] = [];
  private held = 0;
  private file: FileHandle | undefined;

  constructor(
    private readonly directory: string,
    private readonly memoryBytes = SPOOL_MEMORY_BYTES,
  ) {}

  /** The chunk is copied: its memory may be used again afterwards. */
  async write(chunk: Uint8Array): Promise<void> {
    this.bytes += chunk.length;
    if (this.held + chunk.length > this.memoryBytes) return this.spill(chunk);
    this.held += chunk.length;
    this.chunks.push(Uint8Array.from(chunk));
  }

  async *read(): AsyncGenerator<Uint8Array> {
    let at = 0;
    const onDisk = this.bytes - this.held;
    const passing = new PassingBytes();
    while (this.file && at < onDisk) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, onDisk - at));
      const { bytesRead } = await this.file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw this.shorter();
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
      passing.passed(bytesRead);
    }
    yield* this.chunks;
  }

  /** Bytes `start` (inclusive) to `end` (exclusive). */
  async range(start: number, end: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    const onDisk = this.bytes - this.held;
    for (let at = start; this.file && at < Math.min(end, onDisk); ) {
      const chunk = Buffer.allocUnsafe(Math.min(end, onDisk) - at);
      const { bytesRead } = await this.file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw this.shorter();
      parts.push(chunk.subarray(0, bytesRead));
      at += bytesRead;
    }
    let at = onDisk;
    for (const chunk of this.chunks) {
      parts.push(chunk.subarray(Math.max(0, start - at), Math.max(0, end - at)));
      at += chunk.length;
    }
    return Buffer.concat(parts);
  }

  async discard(): Promise<void> {
    this.chunks = [];
    await this.file?.close();
    this.file = undefined;
  }

  private shorter(): Error {
    return fileFailure(new Error('shorter than written'), 'reading a temporary file in', this.directory);
  }

  /** What is held, then `last`, go to the file. */
  private async spill(last: Uint8Array): Promise<void> {
    try {
      this.file ??= await nameless(this.directory);
      for (const chunk of [...this.chunks, last]) {
        for (let at = 0; at < chunk.length; ) at += (await this.file.write(chunk, at)).bytesWritten;
      }
    } catch (error) {
      throw fileFailure(error, 'writing a temporary file in', this.directory);
    }
    this.chunks = [];
    this.held = 0;
  }
}

/** A file that only its descriptor leads to. */
async function nameless(directory: string): Promise<FileHandle> {
  const folder = await mkdtemp(join(directory, 'tablepipe-'));
  try {
    return await open(join(folder, 'spool'), 'wx+', 0o600);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
