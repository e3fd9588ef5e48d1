/** The short form of `make torture`: the same rounds on the servers of the tests, until at least fifty processes were killed. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Pace, playRound } from './round.js';
import { SHARED, roundPlan } from './round-plan.js';
import { addCounts, noCounts, tableOf, total } from './tally.js';
import { World } from './world.js';

const KILLS = 50;
/** Played at once. The first are the same every time, the third is a new one each time; SEED=… plays the one that was printed. */
const SEEDS = process.env.SEED ? [process.env.SEED] : ['short-1', 'short-2', randomBytes(4).toString('hex')];

t.setTimeout(280_000);

t.test('fifty kills anywhere: nothing lost, nothing twice, nothing stuck', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'torture-'));
  const world = await World.join();
  t.teardown(async () => {
    await world.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const counts = noCounts();
  const pace = new Pace();
  const play = async (seed: string): Promise<void> => {
    const plan = roundPlan(seed, 1, { runs: 6, kinds: SHARED, mostly: 'deaths' });
    const end = await playRound(world, plan, folder, pace);
    addCounts(counts, end.counts);
    t.same(end.findings, [], `SEED=${seed}: ${total(end.counts.kills)} kills`);
    for (const line of end.findings.length > 0 ? end.log : []) t.comment(line);
  };
  await Promise.all(SEEDS.map(play));
  while (total(counts.kills) < KILLS && t.passing()) await play(randomBytes(4).toString('hex'));
  t.comment(tableOf(counts));
  t.ok(total(counts.kills) >= KILLS, `${total(counts.kills)} kills`);
});
