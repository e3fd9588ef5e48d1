/** Lines kept in a side file, which is opened with the first one. */
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncDirectory } from '../durable-file.js';
import { fileFailure } from '../errors.js';

export class AppendFile {
  private file: FileHandle | undefined;
  private dirty = false;

  constructor(private readonly path: string) {}

  async write(line: string): Promise<void> {
    try {
      this.file ??= await this.opened();
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
    await syncDirectory(dirname(this.path));
    return file;
  }
}
