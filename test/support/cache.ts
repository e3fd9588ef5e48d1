/** Downloads and unpacked programs that outlive a run, outside the checkout and readable by the servers' account. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** TABLEPIPE_CACHE, else /var/cache/tablepipe for root (whose home nobody else can read), else the user's cache folder. */
export function cacheFolder(): string {
  const { TABLEPIPE_CACHE, XDG_CACHE_HOME } = process.env;
  if (TABLEPIPE_CACHE) return TABLEPIPE_CACHE;
  if (process.getuid?.() === 0) return '/var/cache/tablepipe';
  return join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tablepipe');
}

/**
 * The folder `name` in the cache, made by `build` when it is not there. Two starts at once both build, each in a
 * folder of its own, and one rename wins: nobody ever sees half a folder, and no lock can be left behind.
 */
export async function cached(name: string, build: (folder: string) => Promise<void>): Promise<string> {
  const final = join(cacheFolder(), name);
  if (existsSync(final)) return final;
  mkdirSync(cacheFolder(), { recursive: true, mode: 0o755 });
  const building = mkdtempSync(join(cacheFolder(), `.${name}-`));
  try {
    const content = join(building, 'content');
    mkdirSync(content, { mode: 0o755 });
    await build(content);
    try {
      renameSync(content, final);
    } catch (error) {
      if (!existsSync(final)) throw error;
    }
    return final;
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}
