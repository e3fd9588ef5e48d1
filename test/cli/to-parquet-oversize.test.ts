/** What Redshift cannot load, through the command: each policy, and that no row taken out is read for ever. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { duckRows } from '../fixture/parquet-readers.js';
import { tarMembers } from '../fixture/tar-members.js';
import { type TextStream, textArrow } from '../fixture/text-arrow.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { demandCode, run } from '../support/program.js';

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'oversize-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const LONG = `${'ü'.repeat(32_767)}xü`;
const NUL = 'ab\0cd';
const BROKEN = Buffer.from([0x61, 0xc3, 0x28]);
const TEXTS = ['fine', LONG, NUL, null, BROKEN, 'also fine'];
const COLUMNS = 'SELECT id::INT id, strlen(text)::INT bytes, year("at")::INT y FROM $FILE ORDER BY id';
const TIMES = [0n, 0n, 0n, 0n, 0n, 400_000_000_000_000_000n];

t.test('fail, the default: the first such value, its row and its column, and no footer', async (t) => {
  for (const [bad, why] of [
    [LONG, /text of the row id = 2 has 65537 bytes, at most 65535 are possible.*--on-oversize null/],
    [NUL, /text of the row id = 2 holds a NUL character/],
    [BROKEN, /text of the row id = 2 is not valid UTF-8/],
  ] as const) {
    const { stderr, stdout } = demandCode(await run('to-parquet', [], { stdin: textArrow(['fine', bad]) }), 65);
    t.match(stderr, why);
    t.not(stdout.toString('latin1', stdout.length - 4), 'PAR1');
  }
  const late = textArrow(['a', 'b'], { times: [0n, 400_000_000_000_000_000n] });
  t.match(
    demandCode(await run('to-parquet', [], { stdin: late }), 65).stderr,
    /at of the row id = 2 is outside the years/,
  );
});

t.test('null, truncate and quarantine treat each value and say how many there were', async (t) => {
  const stdin = textArrow(TEXTS, { times: TIMES });
  const row = (id: number, bytes: number | null, y: number | null = 1970): object => ({ id, bytes, y });
  const nulled = demandCode(await run('to-parquet', ['--on-oversize', 'null'], { stdin }));
  const kept = [row(1, 4), row(2, null), row(3, null), row(4, null), row(5, null), row(6, 9, null)];
  t.same(await duckRows(nulled.stdout, COLUMNS), kept);
  t.match(nulled.stderr, /3 values of text became NULL/);
  t.match(nulled.stderr, /1 values of at became NULL/);
  const cut = demandCode(await run('to-parquet', ['--on-oversize', 'truncate'], { stdin }));
  const [first, , , fourth, , last] = kept;
  t.same(await duckRows(cut.stdout, COLUMNS), [first, row(2, 65_535), row(3, 2), fourth, row(5, 1), last]);
  t.match(cut.stderr, /3 values of text were truncated/);
  const side = join(folder, 'side.ndjson');
  const words = ['--on-oversize', 'quarantine', '--quarantine-file', side];
  const without = demandCode(await run('to-parquet', words, { stdin }));
  t.same(await duckRows(without.stdout, COLUMNS), [row(1, 4), row(4, null)]);
  t.match(without.stderr, /3 values of text went to .*side.ndjson/);
  const lines = readFileSync(side, 'utf8').trimEnd().split('\n');
  t.same(
    lines.map((line) => {
      const { table, why, row: whole } = JSON.parse(line) as { table: string; why: string[]; row: { id: number } };
      return [table, why.length, Object.keys(whole), whole.id];
    }),
    [2, 3, 5, 6].map((id) => ['s.t', 1, ['id', 'text', 'at'], id]),
    'whole rows',
  );
});

t.test('a column that is NOT NULL cannot be emptied', async (t) => {
  const stdin = textArrow(['fine', NUL], { nullable: false });
  t.match(demandCode(await run('to-parquet', ['--on-oversize', 'null'], { stdin }), 65).stderr, /NOT NULL/);
  const cut = demandCode(await run('to-parquet', ['--on-oversize', 'truncate'], { stdin }));
  t.same(await duckRows(cut.stdout, 'SELECT max(strlen(text))::INT n FROM $FILE'), [{ n: 4 }]);
});

t.test('--target any leaves them as they are', async (t) => {
  const { stdout } = demandCode(await run('to-parquet', ['--target', 'any'], { stdin: textArrow([LONG, NUL]) }));
  t.same(await duckRows(stdout, 'SELECT strlen(text)::INT n FROM $FILE'), [{ n: 65_537 }, { n: 5 }]);
});

t.test('policies that make no sense', async (t) => {
  for (const words of [
    ['--on-oversize', 'quarantine'],
    ['--quarantine-file', 'x'],
    ['--on-oversize', 'drop'],
  ])
    demandCode(await run('to-parquet', words, { stdin: textArrow(['a']) }), 64);
  const nowhere = ['--on-oversize', 'quarantine', '--quarantine-file', join(folder, 'no', 'side')];
  const { stdout, stderr } = demandCode(await run('to-parquet', nowhere, { stdin: textArrow([NUL]) }), 66);
  t.notMatch(stderr, /went to/);
  t.not(stdout.toString('latin1', stdout.length - 4), 'PAR1', 'the row is nowhere, so the file is not finished');
});

/** The members of a split run that takes rows out: rows, first and last position of each. */
async function covered(texts: TextStream & { texts: (string | null)[] }, words: string[]): Promise<unknown[]> {
  const side = join(folder, `${Math.random()}.ndjson`);
  const stdin = textArrow(texts.texts, { cursor: true, ...texts });
  const flags = ['--on-oversize', 'quarantine', '--quarantine-file', side, ...words];
  const { stdout } = demandCode(await run('to-parquet', flags, { stdin }));
  const members = await tarMembers(stdout);
  const end = JSON.parse(String(members.pop()?.bytes)) as { rows: number; to: unknown };
  const files = members.map(({ records }) => {
    const [from, to] = [records['TABLEPIPE.from'] ?? '', records['TABLEPIPE.to'] ?? ''];
    return [records['TABLEPIPE.rows'], JSON.parse(from), JSON.parse(to)];
  });
  return [...files, [end.rows, end.to]];
}

t.test('the position passes over rows taken out, also behind the last row that is kept', async (t) => {
  const two = ['--split-rows', '2'];
  for (const batchRows of [1, 7]) {
    t.same(await covered({ texts: ['a', 'b', NUL, 'c', NUL, NUL], batchRows }, two), [
      ['2', null, ['2']],
      ['1', ['2'], ['6']],
      [3, ['6']],
    ]);
    t.same(
      await covered({ texts: ['a', 'b', NUL], batchRows }, two),
      [
        ['2', null, ['2']],
        ['0', ['2'], ['3']],
        [2, ['3']],
      ],
      'a full file is not opened again: one without rows carries the position',
    );
    t.same(await covered({ texts: [NUL, NUL], batchRows }, two), [
      ['0', null, ['2']],
      [0, ['2']],
    ]);
  }
});

t.test('the watermark ends behind them, so the next run does not read them again', async (t) => {
  writeFileSync(join(folder, 'rows.arrow'), textArrow(['a', 'b', NUL], { cursor: true }));
  const line =
    'to-parquet --split-rows 2 --on-oversize quarantine --quarantine-file wm.ndjson < rows.arrow | s3-put "file://$PWD/lake/" | wm advance s.t';
  const env = { TABLEPIPE_WM_STORE: `file://${join(folder, 'store')}` };
  demandStatus(await pipeline(line, { env, cwd: folder }));
  t.equal(
    demandCode(await run('wm', ['get', 's.t', '--format', 'value'], { env }))
      .stdout.toString()
      .trim(),
    '3',
  );
  t.equal(readdirSync(join(folder, 'lake')).length, 2);
});

t.test('an end record that does not stand at the last row is refused before the footer', async (t) => {
  const lies = textArrow(['a', 'b'], { cursor: true, end: { to: ['7'] } });
  const single = demandCode(await run('to-parquet', [], { stdin: lies }), 65);
  t.match(single.stderr, /the last row stands at 2, the end record says 7/);
  t.not(single.stdout.toString('latin1', single.stdout.length - 4), 'PAR1');
  const members = await tarMembers(
    demandCode(await run('to-parquet', ['--split-rows', '1'], { stdin: lies }), 65).stdout,
  );
  t.match(JSON.parse(String(members.at(-1)?.bytes)), { status: 'aborted', code: 65 });
});
