/** Every numbered rule of reference/redshift.md section 7 has exactly one test, and its name begins with the number. */
import { readdir, readFile } from 'node:fs/promises';
import t from 'tap';

const folder = new URL('.', import.meta.url);
const found: number[] = [];
for (const name of await readdir(folder)) {
  if (!name.endsWith('.test.js')) continue;
  const text = await readFile(new URL(name, folder), 'utf8');
  for (const match of text.matchAll(/^t\.test\('(\d+)\. /gm)) found.push(Number(match[1]));
}
t.same(
  found.toSorted((a, b) => a - b),
  Array.from({ length: 65 }, (_, i) => i + 1),
);
