/**
 * `make soak ROWS=20000000 [ENGINE=MyISAM]`: moves a table of so many narrow rows through the line of the README and watches every
 * stage each second. Its memory must stay flat and below 200 MiB, its descriptors constant, and both sides equal.
 * Starts the servers the environment does not name, and removes everything it made. Draws soak-ROWS.svg and writes a
 * section of RESULTS.md beside this file's source.
 */
import { readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Bed } from '../support/bed.js';
import { startMissing } from '../support/missing-servers.js';
import { memoryCurve } from './memory-curve.js';
import { BOUNDS, type StageVerdict, judge, percent } from './memory-verdict.js';
import { type Soak, count, soak } from './soak-run.js';
import { ENGINES, FIXED_BYTES, ROW_BYTES } from './soak-table.js';

const GIB = 2 ** 30;
const here = (file: string): string => fileURLToPath(new URL(`../../../test/bench/${file}`, import.meta.url));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const rows = Number((process.argv[2] ?? '20000000').replaceAll(/[_,]/g, ''));
if (!Number.isInteger(rows) || rows < 1) throw new Error(`ROWS=${process.argv[2]}: expected a whole number above 0`);
const engine = ENGINES.find((one) => one === (process.argv[3] ?? 'InnoDB'));
if (!engine) throw new Error(`ENGINE=${process.argv[3]}: expected one of ${ENGINES.join(', ')}`);

const INTRODUCTION = `## Soak (\`make soak ROWS=…\`)

The line of the README over rows of four columns (two integers, a decimal, a time), from MariaDB through Ceph RGW into PostgreSQL, all on one
machine. Every stage is looked at each second: VmRSS, its peak VmHWM, its open descriptors. A stage waits for its first input; the
first minute of its work after that is for warming up. Flat means that no later minute has a median more than a tenth above the second minute's,
and a stage may take ${BOUNDS.rssMiB} MiB at its peak.
`;

demandSpace();
let bed: Bed | undefined;
let ending: Promise<void> | undefined;
const end = (): Promise<void> => (ending ??= bed?.stop() ?? Promise.resolve());
/** A line that is stopped is reported like one that failed, and all it made is removed; a second signal ends everything. */
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stopping.signal.aborted) void end().then(() => process.exit(1));
    stopping.abort(new Error(`stopped by ${signal}`));
  });
}
try {
  bed = await startMissing(say);
  report(await soak({ rows, engine, say, signal: stopping.signal }));
} finally {
  await end();
}

/** Says what is needed, and stops before anything is started when there is less. */
function demandSpace(): void {
  const { bavail, bsize } = statfsSync(tmpdir());
  const [needed, free] = [FIXED_BYTES + rows * (ROW_BYTES.mysql + ROW_BYTES.s3 + ROW_BYTES.warehouse), bavail * bsize];
  const parts = Object.entries(ROW_BYTES).map(([where, bytes]) => `${where} ${((rows * bytes) / GIB).toFixed(1)}`);
  say(
    `needs ${(needed / GIB).toFixed(1)} GiB of disk (${parts.join(', ')}, logs ${(FIXED_BYTES / GIB).toFixed(1)}); ${tmpdir()} has ${(free / GIB).toFixed(1)} free`,
  );
  if (free < needed) throw new Error('not enough disk: give fewer rows, or a TMPDIR with more space');
}

function report(result: Soak): void {
  const verdicts = result.stages.map((stage) => judge(stage));
  const equal = result.source.rows === result.target.rows && result.source.sum === result.target.sum;
  const file = `soak-${rows % 1_000_000 === 0 ? `${rows / 1_000_000}m` : rows}.svg`;
  const title = `Memory of each stage, ${count(rows)} rows in ${duration(result.seconds)}`;
  writeFileSync(here(file), memoryCurve({ title, boundMiB: BOUNDS.rssMiB, stages: result.stages }));
  const text = section(result, verdicts, equal, file);
  process.stdout.write(text);
  record(text);
  const faults = verdicts.flatMap(({ stage, faults }) => faults.map((fault) => `${stage} ${fault}`));
  if (verdicts.length < 5) faults.push(`only ${verdicts.length} of 5 stages were seen`);
  if (result.end.code !== 0)
    faults.push(
      `${result.end.line}\nended with ${result.end.code} (${result.end.stages.join(' ') || 'stopped'})\n${result.end.stderr}`,
    );
  if (!equal) faults.push(`source ${JSON.stringify(result.source)} and target ${JSON.stringify(result.target)} differ`);
  for (const fault of faults) say(`FAILED: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}

/** Of a line that failed as well: what its stages took until then is worth seeing. */
function section(result: Soak, verdicts: StageVerdict[], equal: boolean, file: string): string {
  const { end, bytes, seconds, source, target, objects } = result;
  const each = Object.entries(bytes).map(([where, all]) => `${where} ${Math.round(all / rows)}`);
  const cells = verdicts.map(
    ({ stage, waited, windows, secondMiB, highestMiB, growth, peakMiB, descriptors, faults }) => {
      const counted = `${descriptors.lowest}–${descriptors.highest}, at most ${descriptors.most}`;
      return `| ${stage} | ${whole(waited)} s | ${windows} | ${whole(secondMiB)} | ${whole(highestMiB)} | ${percent(growth)} | ${peakMiB.toFixed(0)} | ${counted} | ${faults.length === 0 ? 'yes' : `**no**: ${faults.join('; ')}`} |`;
    },
  );
  return `### ${count(rows)} rows

${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, Node ${process.version}: ${duration(seconds)}, ${count(rows / seconds)} rows/s, ${objects} objects.
${end.code === 0 ? '' : `**The line ended with ${end.code} (${end.stages.join(' ') || 'stopped'}).** `}${count(Number(source.rows))} rows in MySQL (${engine}), ${count(Number(target.rows))} in PostgreSQL, sums over all columns ${source.sum} and ${target.sum}: ${equal ? 'equal' : '**not equal**'}.
Bytes a row: ${each.join(', ')}.

| stage | waited | minutes | second, MiB | highest later, MiB | growth | peak, MiB | descriptors | within bounds |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${cells.join('\n')}

![memory of each stage](${file})
`;
}

/** Puts the section in the place of the one of so many rows, or at the end. */
function record(text: string): void {
  const results = readFileSync(here('RESULTS.md'), 'utf8');
  const [title = ''] = text.split('\n');
  const before = results.includes('\n## Soak') ? results : `${results.trimEnd()}\n\n${INTRODUCTION}`;
  const at = before.indexOf(`\n${title}\n`);
  if (at < 0) return writeFileSync(here('RESULTS.md'), `${before.trimEnd()}\n\n${text}`);
  const next = before.slice(at + 1).search(/\n##/);
  writeFileSync(here('RESULTS.md'), before.slice(0, at + 1) + text + (next < 0 ? '' : before.slice(at + 1 + next)));
}

function whole(number: number): string {
  return Number.isNaN(number) ? '–' : number.toFixed(0);
}

function duration(seconds: number): string {
  return seconds < 120 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`;
}
