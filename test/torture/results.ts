/**
 * `test/fault/RESULTS.md`: the counts of all recorded runs added up, and a line for each run. The part between the
 * marks is made anew; the text around it is for people.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { type Counts, addCounts, noCounts, tableOf, total } from './tally.js';

export interface RecordedRun {
  /** `2026-01-31 12:00`, UTC. */
  date: string;
  commit: string;
  seed: string;
  minutes: number;
  counts: Counts;
}

const [BEGIN, END] = ['<!-- made by `make torture RECORD=1` -->', '<!-- end of what is made -->'];
/** The runs themselves, for the next one to add to: one line of JSON in a comment each. */
const RUN = /^<!-- run (.*) -->$/gm;

/** Adds a run, or takes the place of what was recorded of it so far. */
export function record(path: string, run: RecordedRun): void {
  const text = readFileSync(path, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  const [made = '', after = ''] = rest.split(END);
  const runs = [...made.matchAll(RUN)].map(([, json = '']) => JSON.parse(json) as RecordedRun);
  const others = runs.filter(({ date, seed }) => date !== run.date || seed !== run.seed);
  const all = [...others, run].sort((a, b) => (a.date < b.date ? -1 : 1));
  writeFileSync(path, `${before}${BEGIN}\n\n${spelled(all)}\n${END}${after}`);
}

/** What was found is repaired before the next run, so what follows it is of the repaired programs. */
function sinceFinding(runs: readonly RecordedRun[]): string {
  const last = runs.findLastIndex(({ counts }) => findings(counts) > 0);
  const clean = runs.slice(last + 1);
  const sum = clean.reduce((to, { counts }) => addCounts(to, counts), noCounts());
  const times = (value: number): string => value.toLocaleString('en-US');
  return (
    `Since the last finding: ${clean.length} runs, ${times(sum.rounds)} rounds, **${times(total(sum.kills))} kills and ` +
    `${times(total(sum.cuts))} cuts**, 0 lost, 0 twice, 0 stuck, nothing else broken.`
  );
}

function findings({ lost, twice, stuck, broken }: Counts): number {
  return lost + twice + stuck + broken;
}

function spelled(runs: readonly RecordedRun[]): string {
  const all = runs.reduce((sum, { counts }) => addCounts(sum, counts), noCounts());
  const lines = runs.map(({ date, commit, seed, minutes, counts }) => {
    const cells = [
      date,
      commit,
      seed,
      minutes,
      counts.rounds,
      total(counts.kills),
      total(counts.cuts),
      findings(counts),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    tableOf(all),
    '',
    sinceFinding(runs),
    '',
    '| UTC | Commit | Seed | Minutes | Rounds | Kills | Cuts | Findings |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
    ...runs.map((run) => `<!-- run ${JSON.stringify(run)} -->`),
    '',
  ].join('\n');
}
