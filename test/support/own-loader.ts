/** Programs of a newer Debian: they need its C library, so each starts through the loader that came with it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { libraryFolders } from './prefix.js';

/** The words that start `program` (`usr/sbin/mysqld`) of a prefix. */
export function throughOwnLoader(root: string, program: string, libraries: readonly string[] = []): string[] {
  const name = process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2';
  const folders = libraryFolders(root);
  const loader = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (loader === undefined) throw new Error(`${root} has no ${name}`);
  const paths = [...folders, ...libraries.map((folder) => join(root, folder))];
  return [loader, '--library-path', paths.join(':'), join(root, program)];
}
