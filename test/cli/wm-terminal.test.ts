/** Every verb of `wm` on a terminal: lines for a person, and JSON when asked for it. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import set from '../../src/command/wm.js';
import { parquetFile } from '../watermark/parquet-file.js';
import { linesOf, receiptsFrom } from '../watermark/receipts.js';
import { WM } from '../watermark/wm-program.js';

t.setTimeout(300_000);
const folder = await mkdtemp(join(tmpdir(), 'wm-terminal-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
await writeFile(join(folder, 'receipts'), linesOf(receiptsFrom(0, 3)));
await writeFile(join(folder, 'more'), linesOf(receiptsFrom(3, 1)));
await writeFile(join(folder, 'old'), '{"last_mysql_data_timestamp":"2024-05-06 07:08:09"}');
await writeFile(join(folder, 'lake.parquet'), parquetFile('shop.lost', null, ['4'], 10));

/** What a terminal shows; `script` (of bsdutils) provides the terminal. */
async function shown(line: string): Promise<string> {
  const env = { PATH: process.env.PATH, TABLEPIPE_WM_STORE: `file://${folder}/wm/`, SHELL: '/bin/sh' };
  const command = `cd ${folder} && '${process.execPath}' '${WM}' ${line}`;
  const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env });
  return stdout.replaceAll('\r\n', '\n');
}

const T = 'shop.orders';

/** In an order in which each has something to say; a second form where the first can be given only once. */
const LINES: readonly (readonly [verb: string, line: string, sees: RegExp, again?: string])[] = [
  [
    'advance',
    `${T} --flush-files 1 < receipts`,
    /^generation 1: 10 rows, 100 bytes, s3:.*\n(.*\n)+.*3 objects, 30 rows/,
    `${T} < more`,
  ],
  ['get', T, /^mysql_rows_extracted +40$/m],
  ['list', "'shop.*'", /^table +generation +cursor.*\nshop\.orders +\d+ +\["4"\]/],
  ['history', T, /^generation +kind.*\n5 +stored/],
  ['diff', `${T} 1 2`, /^cursor +\["1"\] +\["2"\]$/m],
  ['pending', T, /^generation +rows +bytes +url\n1 +10 +100 +s3:/],
  ['loaded', `${T} --generation 2`, /loaded up to 2/],
  ['verify', `${T} --chain-only`, /: \d+ generations, 0 errors/],
  ['set', `${T} --timestamp 2024-01-01 --force-rewind`, /\["4"\] -> \["2024-01-01"\]/],
  ['restore', `${T} --generation 3`, /\["3"\] again, as in generation 3/],
  ['prune', T, /: nothing to prune/],
  ['reset', T, /\["3"\] -> the start/],
  ['force-reset', T, /: the start \(generation \d+\); \d+ older files are in/],
  ['export', T, /^\{"type":"generation"/],
  ['import', 'crm.people old', /^crm\.people: \["2024-05-06 07:08:09"\] \(generation 1\)/, 'crm.others old'],
  ['rebuild', `shop.lost --from file://${folder}/ -n`, /1 objects up to \["4"\] \(nothing committed\)/],
  ['lock', `${T} --ttl 1h`, /: locked until .*\nwm unlock/, 'shop.other'],
  ['unlock', `${T} --force`, /: released/],
  ['run', `${T} -- echo '{"a":1}'`, /^\{"a":1\}$/m],
  ['probe', '', /^one winner among 8 racers +yes/m],
];

t.test('every verb is here', async (t) => {
  t.same(LINES.map(([verb]) => verb).sort(), Object.keys(set.verbs).sort());
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const section = readme.slice(readme.indexOf('## The watermark'), readme.indexOf('## What is proven'));
  for (const verb of Object.keys(set.verbs)) t.match(section, new RegExp(`[\`]${verb}[\` ]`), `${verb} in README.md`);
  for (const [verb, { usage }] of Object.entries(set.verbs))
    t.match(await shown(`${verb} --help`), `Usage:\n  wm ${verb} ${usage}\n`);
});

for (const [verb, line, sees, again] of LINES) {
  t.test(verb, async (t) => {
    t.match(await shown(`${verb} ${line}`), sees);
    const flags = verb === 'run' ? line.replace('--', '--json --') : `${again ?? line} --json`;
    const machine = await shown(`${verb} ${flags}`);
    const lines = machine.split('\n').filter(Boolean);
    t.ok(lines.length > 0);
    for (const one of lines) t.doesNotThrow(() => JSON.parse(one), one);
  });
}
