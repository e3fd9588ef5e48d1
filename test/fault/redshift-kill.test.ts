/** rs-copy killed at every failpoint while it loads into the double of Redshift; COMMIT cut; loaders racing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import { redshiftScene } from './redshift-scene.js';
import { atFailpoint, atRandom, cutCommit, race, survive } from './rs-copy-kill.js';

t.setTimeout(300_000);
const folder = mkdtempSync(join(tmpdir(), 'redshift-kill-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const scene = await redshiftScene(t, folder);
const points = FAILPOINTS.filter((name) => name.startsWith('rs-copy.'));

t.test('killed at every failpoint, nothing is lost and nothing comes twice', async (t) => {
  for (const [at, point] of points.entries()) {
    const mode = at % 2 === 0 ? 'append' : 'upsert';
    await survive(scene, `p${at}`, mode, atFailpoint(point, 2));
    t.pass(`${point}, ${mode}`);
  }
});

t.test('COMMIT cut before the server sees it, and after', async (t) => {
  for (const cut of ['before', 'after'] as const) {
    await survive(scene, `cut_${cut}`, 'append', cutCommit(cut, 2));
    t.pass(cut);
  }
});

t.test('loaders at once load each object once', async (t) => {
  await survive(scene, 'race', 'append', race(6));
  t.pass('one copy of each row');
});

t.test('killed at random moments, again and again', async (t) => {
  await survive(scene, 'random', 'append', atRandom(1_500), 4);
  t.pass('nothing lost, nothing twice');
});
