/**
 * Files that are complete or absent: written under a temporary name, synced, then given their name with `link()`,
 * which fails when the name exists (`rename` would overwrite), and the directory synced
 * (reference/reliability.md section 3, "fs.link() as create-if-absent").
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure, fileFailure, systemCode } from './errors.js';

/** Names of temporary files begin so; a killed writer leaves one behind, and nobody reads them. */
export const TEMPORARY = '.tmp-';

/** A name beside `path` that nobody else uses. */
export function temporaryName(path: string): string {
  return join(dirname(path), `${TEMPORARY}${randomBytes(8).toString('hex')}`);
}

/** Gives a synced temporary file its name as well; false when the name is taken. The directory is not synced yet. */
export async function linkNew(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    if (['EPERM', 'ENOTSUP', 'EMLINK'].includes(systemCode(error) ?? '')) {
      throw new Failure('config', `${dirname(path)} is on a file system without hard links`, {
        cause: error,
        hint: 'Creating a file only if it is absent needs link(); choose another directory or s3://.',
      });
    }
    throw fileFailure(error, 'creating', path);
  }
}

/** Creates a directory and makes it durable; one that exists is fine. */
export async function makeDirectory(path: string): Promise<void> {
  const exists = await stat(path).catch(() => undefined);
  if (exists) return;
  const first = await mkdir(path, { recursive: true });
  // A directory is durable once its parent is.
  if (first !== undefined)
    for (let at = path; at.length >= first.length; at = dirname(at)) await syncDirectory(dirname(at));
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
