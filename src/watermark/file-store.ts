/** A store in a directory. A file appears under its name complete or not at all: see durable-file.ts. */
import { constants } from 'node:fs';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TEMPORARY, linkNew, makeDirectory, syncDirectory, temporaryName } from '../durable-file.js';
import { Failure, fileFailure, systemCode } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { type Created, FILE_BYTES, type Page, type WatermarkStore } from './store.js';

export class FileStore implements WatermarkStore {
  readonly url: string;
  readonly paged = false;

  /** @param root absolute directory; created with the first file */
  constructor(private readonly root: string) {
    this.url = `file://${root}`;
  }

  async create(key: string, bytes: Uint8Array): Promise<Created> {
    const path = join(this.root, key);
    const temporary = await this.written(path, bytes);
    await failpoint('wm.file.written');
    try {
      if (!(await linkNew(temporary, path))) return { outcome: 'exists' };
    } finally {
      await rm(temporary, { force: true });
    }
    await failpoint('wm.file.linked');
    await syncDirectory(dirname(path));
    return { outcome: 'created' };
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    const path = join(this.root, key);
    try {
      // A symbolic link in place of a state file is somebody else's doing; O_NOFOLLOW refuses it.
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        const { size } = await file.stat();
        if (size > FILE_BYTES) throw new Failure('data', `${path} has ${size} bytes; at most ${FILE_BYTES} are read`);
        return await file.readFile();
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileFailure(error, 'reading', path);
    }
  }

  async replace(key: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.root, key);
    const temporary = await this.written(path, bytes);
    try {
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw fileFailure(error, 'replacing', path);
    }
  }

  async remove(key: string): Promise<void> {
    const path = join(this.root, key);
    await rm(path, { force: true }).catch((error: unknown) => {
      throw fileFailure(error, 'removing', path);
    });
  }

  async list(folder: string, after: string): Promise<Page> {
    const path = join(this.root, folder);
    const found = await this.names(path, false);
    const names = found.filter((name) => name > after && !name.startsWith(TEMPORARY)).sort(byBytes);
    return { entries: names.map((name) => ({ name, bytes: -1 })), more: false };
  }

  async folders(): Promise<readonly string[]> {
    return (await this.names(this.root, true)).filter((name) => !name.startsWith('_')).sort(byBytes);
  }

  now(): number {
    return Date.now();
  }

  private async names(path: string, folders: boolean): Promise<string[]> {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory() === folders).map((entry) => entry.name);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw fileFailure(error, 'listing', path);
    }
  }

  /** A durable temporary file beside `path`. */
  private async written(path: string, bytes: Uint8Array): Promise<string> {
    const temporary = temporaryName(path);
    try {
      await makeDirectory(dirname(path));
      const file = await open(temporary, 'wx', 0o644);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw fileFailure(error, 'writing', temporary);
    }
    return temporary;
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
