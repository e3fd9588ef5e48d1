/**
 * `make torture`: rounds of the line under faults for TORTURE_MINUTES (10), some at once (TORTURE_LANES, 3). SEED
 * repeats what an earlier one did, ROUND plays one round of it. Ends with 1 at the first thing that an invariant forbids.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EVERYTHING, roundPlan } from './round-plan.js';
import { Pace, playRound } from './round.js';
import { addCounts, noCounts, tableOf, total } from './tally.js';
import { World } from './world.js';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const { env } = process;
const seed = env.SEED || randomBytes(4).toString('hex');
const only = env.ROUND ? Number(env.ROUND) : undefined;
const minutes = Number(env.TORTURE_MINUTES ?? 10);
const lanes = only === undefined ? Number(env.TORTURE_LANES ?? 3) : 1;
const reports = fileURLToPath(new URL('../../../.run/torture', import.meta.url));

say(`SEED=${seed}, ${minutes} minutes, ${lanes} rounds at once`);
const folder = mkdtempSync(join(tmpdir(), 'torture-work-'));
const world = await World.start(say);
say(world.labels.join(', '));
const counts = noCounts();
const pace = new Pace();
const deadline = Date.now() + minutes * 60_000;
let next = only ?? 1;
let stop = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (stop = true));

async function lane(): Promise<void> {
  while (!stop && Date.now() < deadline) {
    const round = next;
    next += 1;
    if (only !== undefined && round !== only) return;
    const began = Date.now();
    const end = await playRound(world, roundPlan(seed, round, EVERYTHING), folder, pace);
    addCounts(counts, end.counts);
    for (const { kind } of end.findings) counts[kind] += 1;
    say(
      `round ${round}: ${end.findings.length === 0 ? 'equal' : 'BROKEN'} in ${((Date.now() - began) / 1000).toFixed(0)} s; ` +
        `${total(counts.kills)} kills, ${total(counts.cuts)} cuts so far`,
    );
    if (end.findings.length > 0) {
      mkdirSync(reports, { recursive: true });
      const report = join(reports, `${seed}-${round}.txt`);
      writeFileSync(report, [...end.findings.map(({ kind, what }) => `${kind}: ${what}`), ...end.log, ''].join('\n'));
      for (const { kind, what } of end.findings) say(`  ${kind}: ${what.slice(0, 600)}`);
      say(`  what happened: ${report}\n  again: make torture SEED=${seed} ROUND=${round}`);
      if (env.TORTURE_GO_ON !== '1') stop = true;
    }
    if (env.TORTURE_LOG)
      appendFileSync(
        env.TORTURE_LOG,
        `${JSON.stringify({ seed, round, counts: end.counts, findings: end.findings })}\n`,
      );
  }
}

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
