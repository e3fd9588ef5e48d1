/** A file read by range or from end to end. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Failure, fileFailure } from '../errors.js';
import { type StoredObject, demandRange } from './stored-object.js';

/** Bytes of one chunk of {@link StoredObject.stream}. */
const CHUNK_BYTES = 256 << 10;

/** Opens a file. 66 when there is none, 77 without permission. */
export async function openFile(url: string, path: string, signal: AbortSignal): Promise<StoredObject> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (error) {
    throw fileFailure(error, 'reading', path);
  }
  const { size } = await file.stat();
  return new OpenFile(url, path, size, file, signal);
}

class OpenFile implements StoredObject {
  readonly etag = undefined;
  readonly crc32 = undefined;

  constructor(
    readonly url: string,
    private readonly path: string,
    readonly byteLength: number,
    private readonly file: FileHandle,
    private readonly signal: AbortSignal,
  ) {}

  async read(start: number, end: number): Promise<Buffer> {
    demandRange(this, start, end);
    const bytes = Buffer.allocUnsafe(end - start);
    for (let at = 0; at < bytes.length; ) at += await this.some(bytes, at, start + at);
    return bytes;
  }

  async *stream(start = 0, end = this.byteLength): AsyncGenerator<Uint8Array> {
    demandRange(this, start, end);
    for (let at = start; at < end; ) {
      this.signal.throwIfAborted();
      const bytes = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at));
      const got = await this.some(bytes, 0, at);
      at += got;
      yield bytes.subarray(0, got);
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async some(bytes: Buffer, offset: number, position: number): Promise<number> {
    try {
      const { bytesRead } = await this.file.read(bytes, offset, bytes.length - offset, position);
      if (bytesRead === 0) throw new Failure('data', `${this.path} became shorter while it was read`);
      return bytesRead;
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw fileFailure(error, 'reading', this.path);
    }
  }
}
