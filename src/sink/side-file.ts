/**
 * Lines kept in a side file, which is opened with the first one. A run that was killed and is run again says the same
 * lines again: what the file has already is not written again, and half a line at its end, which a killed writer
 * leaves, is taken away. Nothing that counted is lost with it: no file of rows is finished before the lines of the rows
 * that were taken out of it are synced.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../durable-file.js';
import { fileFailure } from '../errors.js';

/**
 * So many lines of earlier runs are known, the last ones, with some 20 MB of digests; a killed run that took out more
 * rows leaves some of them twice.
 */
const REMEMBERED = 200_000;

/** One writer at a time. Memory: the digests, and the longest line. */
export class SideFile {
  private file: FileHandle | undefined;
  private before = new Lines();
  private dirty = false;

  constructor(private readonly path: string) {}

  /** Keeps a line, which ends in a line feed. */
  async write(line: string): Promise<void> {
    try {
      this.file ??= await this.opened();
      if (this.before.take(digestOf(line))) return;
      this.dirty = true;
      await this.file.appendFile(line);
    } catch (error) {
      throw fileFailure(error, 'writing', this.path);
    }
  }

  /** Returns once every line is on the disk. */
  async sync(): Promise<void> {
    if (!this.dirty) return;
    try {
      await this.file?.sync();
      this.dirty = false;
    } catch (error) {
      throw fileFailure(error, 'writing', this.path);
    }
  }

  async close(): Promise<void> {
    await this.sync();
    await this.file?.close();
    this.file = undefined;
  }

  /** A new file is lost with its lines when its name is not on the disk. */
  private async opened(): Promise<FileHandle> {
    const file = await open(this.path, 'a', 0o600);
    // What a killed run has written may not be on the disk yet, and is not written again.
    this.dirty = true;
    if ((await file.stat()).isFile()) await this.recall(file);
    await syncDirectory(dirname(this.path));
    return file;
  }

  private async recall(file: FileHandle): Promise<void> {
    let line = createHash('sha256');
    let whole = 0;
    let position = 0;
    for await (const chunk of createReadStream(this.path) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        this.before.add(line.update(chunk.subarray(start, end + 1)).digest('base64'));
        line = createHash('sha256');
        start = end + 1;
        whole = position + start;
      }
      line.update(chunk.subarray(start));
      position += chunk.length;
    }
    if (whole < position) await file.truncate(whole);
  }
}

/** How often each line was there. Rows without a key can be equal, and are two. */
class Lines {
  private readonly counts = new Map<string, number>();
  private total = 0;

  add(digest: string): void {
    this.counts.set(digest, (this.counts.get(digest) ?? 0) + 1);
    this.total += 1;
    if (this.total > REMEMBERED) this.take(this.counts.keys().next().value ?? '');
  }

  /** True when there was one more. */
  take(digest: string): boolean {
    const count = this.counts.get(digest);
    if (count === undefined) return false;
    if (count === 1) this.counts.delete(digest);
    else this.counts.set(digest, count - 1);
    this.total -= 1;
    return true;
  }
}

function digestOf(line: string): string {
  return createHash('sha256').update(line).digest('base64');
}
