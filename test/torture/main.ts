/**
 * `make torture`: rounds of the line under faults for TORTURE_MINUTES (10), some at once (TORTURE_LANES, 3). SEED
 * repeats what an earlier one did, ROUND plays one round of it. The first thing that an invariant forbids ends it with 1
 * (TORTURE_GO_ON=1: after the time). TORTURE_MOSTLY=deaths or cuts
 * chooses what there is most of, TORTURE_RUNS (24) how many runs a round has; both belong to a replay. `--record` adds the counts to test/fault/RESULTS.md.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { record } from './results.js';
import { EVERYTHING, type PlanLimits, roundPlan } from './round-plan.js';
import { Pace, type RoundEnd, playRound } from './round.js';
import { addCounts, noCounts, tableOf, total } from './tally.js';
import { World } from './world.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const { env } = process;
const seed = env.SEED || randomBytes(4).toString('hex');
const only = env.ROUND ? Number(env.ROUND) : undefined;
const mostly: Pick<PlanLimits, 'mostly'> | undefined =
  env.TORTURE_MOSTLY === 'deaths' || env.TORTURE_MOSTLY === 'cuts' ? { mostly: env.TORTURE_MOSTLY } : undefined;
/** Runs with faults in a round. */
const runs = Number(env.TORTURE_RUNS || 24);
const minutes = Number(env.TORTURE_MINUTES || 10);
const lanes = only === undefined ? Number(env.TORTURE_LANES || 3) : 1;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

say(`SEED=${seed}, ${minutes} minutes, ${lanes} rounds at once`);
const began = Date.now();
const recorded = process.argv.includes('--record');
const commit = recorded
  ? execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' }).trim()
  : '';
const folder = mkdtempSync(join(tmpdir(), 'torture-work-'));
const world = await World.start(say);
say(world.labels.join(', '));
const counts = noCounts();
const pace = new Pace();
let next = only ?? 1;
let stop = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stop = true));

try {
  await Promise.all(Array.from({ length: lanes }, lane));
} finally {
  await world.stop();
  rmSync(folder, { recursive: true, force: true });
}
say(`\n${tableOf(counts)}\n`);
const red = counts.lost + counts.twice + counts.stuck + counts.broken;
say(red === 0 ? `nothing lost, nothing twice, nothing stuck; SEED=${seed}` : `${red} findings; SEED=${seed}`);
process.exitCode = red === 0 ? 0 : 1;

/** One round after the other. */
async function lane(): Promise<void> {
  while (!stop && Date.now() - began < minutes * 60_000) {
    const round = next;
    next += 1;
    if (only !== undefined && round !== only) return;
    const start = Date.now();
    const end = await playRound(world, roundPlan(seed, round, { runs, kinds: EVERYTHING, ...mostly }), folder, pace);
    addCounts(counts, end.counts);
    for (const { kind } of end.findings) counts[kind] += 1;
    const verdict = end.findings.length === 0 ? 'equal' : 'RED';
    const sums = `${total(counts.kills)} kills, ${total(counts.cuts)} cuts so far`;
    say(`round ${round}: ${verdict} in ${((Date.now() - start) / 1000).toFixed(0)} s; ${sums}`);
    if (recorded) note();
    if (end.findings.length === 0) continue;
    report(round, end);
    if (env.TORTURE_GO_ON !== '1') stop = true;
  }
}

/** After each round, so that a torture that is killed itself has not been for nothing. */
function note(): void {
  const date = new Date(began).toISOString().slice(0, 16).replace('T', ' ');
  const took = Math.round((Date.now() - began) / 60_000);
  record(join(root, 'test/fault/RESULTS.md'), { date, commit, seed, minutes: took, counts });
}

/** What a replay needs besides the seed. */
function chosenWords(): string {
  const words = ['TORTURE_MOSTLY', 'TORTURE_RUNS'].filter((name) => env[name]).map((name) => ` ${name}=${env[name]}`);
  return words.join('');
}

/** The findings on stdout, and everything the programs said in a file. */
function report(round: number, { findings, log }: RoundEnd): void {
  const reports = join(root, '.run/torture');
  mkdirSync(reports, { recursive: true });
  const file = join(reports, `${seed}-${round}.txt`);
  const lines = findings.map(({ kind, what }) => `${kind}: ${what}`);
  writeFileSync(file, [...lines, ...log, ''].join('\n'));
  for (const line of lines) say(`  ${line.slice(0, 600)}`);
  say(`  what happened: ${file}\n  again: make torture SEED=${seed} ROUND=${round}${chosenWords()}`);
}
