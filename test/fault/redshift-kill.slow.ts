/** The double of Redshift: 1,000 kills of rs-copy at random moments and failpoints, 100 commits cut, 100 rounds of 16 loaders. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import { redshiftScene } from './redshift-scene.js';
import { atFailpoint, atRandom, cutCommit, race, survive } from './rs-copy-kill.js';

t.setTimeout(7_200_000);
const folder = mkdtempSync(join(tmpdir(), 'redshift-slow-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const scene = await redshiftScene(t, folder);
const modeOf = (at: number): 'append' | 'upsert' => (at % 2 === 0 ? 'append' : 'upsert');
const points = FAILPOINTS.filter((name) => name.startsWith('rs-copy.'));
/** For a person in a hurry: how many hundredths of the rounds to run. */
const share = Number(process.env.TABLEPIPE_TEST_SHARE ?? 100) / 100;
const rounds = (whole: number): number => Math.max(1, Math.round(whole * share));

t.test('800 kills at random moments', async (t) => {
  for (let at = 0; at < rounds(100); at += 1) await survive(scene, `r${at}`, modeOf(at), atRandom(1_000), 8);
  t.pass('nothing lost, nothing twice');
});

t.test('200 kills at failpoints', async (t) => {
  for (let at = 0; at < rounds(200); at += 1) {
    const point = points[at % points.length] as string;
    await survive(scene, `f${at}`, modeOf(at), atFailpoint(point, 1 + (at % 3)));
  }
  t.pass('nothing lost, nothing twice');
});

t.test('100 commits cut', async (t) => {
  for (let at = 0; at < rounds(100); at += 1) {
    await survive(scene, `c${at}`, modeOf(at), cutCommit(at % 4 < 2 ? 'before' : 'after', 1 + (at % 3)));
  }
  t.pass('nothing lost, nothing twice');
});

t.test('100 rounds of 16 loaders', async (t) => {
  for (let at = 0; at < rounds(100); at += 1) await survive(scene, `x${at}`, modeOf(at), race(16));
  t.pass('one copy of each row');
});
