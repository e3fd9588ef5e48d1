/**
 * A mutant: a patch that breaks the toolkit on purpose. Its file begins with what it breaks and a line
 * `Tests: test/x.test.ts …` with the tests that must notice. Applied without git, which nobody needs to run the tests.
 */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PATCHES = join(ROOT, 'test/fault/mutants');

export interface Mutant {
  name: string;
  /** First line of the patch file. */
  breaks: string;
  tests: readonly string[];
  patch: string;
}

/** The mutants whose names begin with one of `names`; all of them without any. */
export async function mutants(names: readonly string[] = []): Promise<Mutant[]> {
  const files = (await readdir(PATCHES)).filter((file) => file.endsWith('.patch')).sort();
  const all = await Promise.all(
    files.map(async (file) => {
      const patch = await readFile(join(PATCHES, file), 'utf8');
      const tests = [...patch.matchAll(/^Tests: (.*)$/gm)].flatMap(([, list = '']) => list.split(' '));
      return { name: basename(file, '.patch'), breaks: patch.split('\n', 1)[0] ?? '', tests, patch };
    }),
  );
  return all.filter(({ name }) => names.length === 0 || names.some((wanted) => name.startsWith(wanted)));
}

/** Changes the sources below `folder`. Throws when a hunk does not fit, or fits in more than one place. */
export async function applyMutant({ name, patch }: Mutant, folder: string): Promise<void> {
  for (const part of patch.split(/^diff --git .*\n/m).slice(1)) {
    const path = join(folder, /^\+\+\+ b\/(.*)$/m.exec(part)?.[1] ?? '');
    let source = await readFile(path, 'utf8');
    for (const hunk of part.split(/^@@.*\n/m).slice(1)) {
      const lines = hunk.replace(/\n$/, '').split('\n');
      const side = (marks: string): string =>
        lines
          .filter((line) => marks.includes(line[0] ?? ' '))
          .map((line) => `${line.slice(1)}\n`)
          .join('');
      const pieces = source.split(side(' -'));
      if (pieces.length !== 2)
        throw new Error(`${name}: ${pieces.length - 1} places in ${path} fit this hunk:\n${hunk}`);
      source = pieces.join(side(' +'));
    }
    await writeFile(path, source);
  }
}
