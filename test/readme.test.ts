import { readFileSync } from 'node:fs';
import t from 'tap';
import { STATUS } from '../src/errors.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const { bin } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  bin: Record<string, string>;
};

t.test('the README has a row for every program and every exit status', async (t) => {
  for (const program of Object.keys(bin)) t.match(readme, new RegExp(`^\\| \`${program}[ \`]`, 'm'), program);
  for (const { code } of Object.values(STATUS)) t.match(readme, new RegExp(`^\\| ${code} \\| `, 'm'), String(code));
});
