/**
 * Every numbered rule of reference/redshift.md section 7 has exactly one test, and its name begins with the number;
 * the table in the double's README names the file it is in.
 */
import { readdir, readFile } from 'node:fs/promises';
import t from 'tap';

const folder = new URL('.', import.meta.url);
const found = new Map<number, string>();
for (const name of await readdir(folder)) {
  if (!name.endsWith('.test.js')) continue;
  const text = await readFile(new URL(name, folder), 'utf8');
  for (const match of text.matchAll(/^t\.test\('(\d+)\. /gm)) {
    t.notOk(found.has(Number(match[1])), `rule ${match[1]} has one test`);
    found.set(Number(match[1]), name.replace(/\.js$/, '.ts'));
  }
}
t.same(
  [...found.keys()].toSorted((a, b) => a - b),
  Array.from({ length: 65 }, (_, i) => i + 1),
);

const readme = await readFile(new URL('../../../test/support/redshift-double/README.md', import.meta.url), 'utf8');
const listed = new Map(
  [...readme.matchAll(/^\| (\d+) \| .* \| `(.*?)` \|$/gm)].map(([, rule, file]) => [Number(rule), file]),
);
t.same(
  [...listed],
  [...found].toSorted(([a], [b]) => a - b),
);
