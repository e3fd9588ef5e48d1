/** to-parquet killed while it takes rows out: the side file of the line that is run again has each row once, and no half of one. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { textArrow } from '../fixture/text-arrow.js';
import { collected, demandCode, run, start } from '../support/program.js';

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'quarantine-kill-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const ROWS = 600;
const texts = Array.from({ length: ROWS }, (_, row) => (row % 2 === 0 ? 'fine' : `${'x'.repeat(row * 20)}\0`));
const stdin = textArrow(texts, { cursor: true, batchRows: 50 });
const taken = texts.flatMap((text, row) => (text === 'fine' ? [] : [row + 1]));
const words = (side: string): string[] => [
  '--split-rows',
  '60',
  '--on-oversize',
  'quarantine',
  '--quarantine-file',
  side,
];

function kept(side: string): number[] {
  const lines = readFileSync(side, 'utf8').split('\n');
  if (lines.pop() !== '') throw new Error('the last line is not ended');
  return lines.map((line) => (JSON.parse(line) as { row: { id: number } }).row.id);
}

t.test('at each of its places, and again: every row once', async (t) => {
  for (const [place, nth] of [
    ['to-parquet.after-batch', 2],
    ['to-parquet.before-footer', 1],
    ['to-parquet.before-footer', 3],
    ['to-parquet.before-end', 1],
  ] as const) {
    const side = join(folder, `${place}${nth}`);
    const env = { TABLEPIPE_UNSAFE_FAILPOINTS: `${place}=kill@${nth}` };
    for (let times = 0; times < (nth === 2 ? 2 : 1); times += 1) {
      t.equal((await run('to-parquet', words(side), { stdin, env })).signal, 'SIGKILL');
      t.ok(statSync(side).size > 0, `${place}: rows were taken out before`);
    }
    const { stderr } = demandCode(await run('to-parquet', words(side), { stdin }));
    t.match(stderr, /300 values of text went to/, 'those that are there already are told as well');
    t.same(kept(side), taken, place);
  }
});

t.test('at any moment', async (t) => {
  const side = join(folder, 'moments');
  let kills = 0;
  for (let times = 0; times < 8; times += 1) {
    const child = start('to-parquet', words(side));
    const ended = collected(child, 'to-parquet');
    child.stdin?.on('error', () => {});
    child.stdin?.write(stdin.subarray(0, stdin.length >> 1));
    const before = sizeOf(side);
    for (let waited = 0; waited < 5_000 && sizeOf(side) === before && child.exitCode === null; waited += 2) {
      if (times > 0 && waited > 400 + times * 30) break;
      await sleep(2);
    }
    child.kill('SIGKILL');
    if ((await ended).signal === 'SIGKILL') kills += 1;
  }
  t.equal(kills, 8);
  t.ok(sizeOf(side) > 0);
  demandCode(await run('to-parquet', words(side), { stdin }));
  t.same(
    kept(side).toSorted((a, b) => a - b),
    taken,
  );
});

t.test('half a line is taken away, at whatever byte it ends; equal rows without a key are two', async (t) => {
  const side = join(folder, 'half');
  demandCode(await run('to-parquet', words(side), { stdin }));
  const whole = readFileSync(side);
  for (const cut of [1, 2, 5_000, whole.length - 10]) {
    truncateSync(side, whole.length - cut);
    demandCode(await run('to-parquet', words(side), { stdin }));
    t.ok(readFileSync(side).equals(whole), `${cut} bytes less`);
  }
  const twice = JSON.parse(whole.toString('utf8', 0, whole.indexOf(10))) as object;
  const keyless = join(folder, 'keyless');
  const flags = ['--infer', '--allow-unterminated', '--on-oversize', 'quarantine', '--quarantine-file', keyless];
  const row = JSON.stringify({ text: 'a\0b' });
  writeFileSync(keyless, `${JSON.stringify(twice)}\n`);
  for (let times = 0; times < 2; times += 1) {
    demandCode(await run('to-parquet', flags, { stdin: `${row}\n{"text":"fine"}\n${row}\n` }));
    t.equal(readFileSync(keyless, 'utf8').trimEnd().split('\n').length, 3, 'the one before, and two');
  }
});

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
