/** Lines kept in a side file: opened with the first one, on disk before the file they were taken from is finished. */
import { type FileHandle, open } from 'node:fs/promises';
import { fileFailure } from '../errors.js';

export class AppendFile {
  private file: FileHandle | undefined;

  constructor(private readonly path: string) {}

  async write(line: string): Promise<void> {
    try {
      this.file ??= await open(this.path, 'a', 0o600);
      await this.file.appendFile(line);
    } catch (error) {
      throw fileFailure(error, 'writing', this.path);
    }
  }

  async close(): Promise<void> {
    await this.file?.sync();
    await this.file?.close();
    this.file = undefined;
  }
}
