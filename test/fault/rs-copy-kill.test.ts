/** rs-copy killed at every failpoint, in both modes that can lose or double a row. */
import t from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import { scratchSchema } from '../support/scratch-schema.js';
import { atFailpoint, atRandom, cutCommit, race, survive } from './rs-copy-kill.js';

t.setTimeout(180_000);
const { schema, folder, sql } = await scratchSchema(t, 'rs_copy_kill');

const points = FAILPOINTS.filter((name) => name.startsWith('rs-copy.'));

t.test('killed at every failpoint, nothing is lost and nothing comes twice', async (t) => {
  for (const [at, point] of points.entries()) {
    // The second time each is reached, so that a batch before it is committed.
    const mode = at % 2 === 0 ? 'append' : 'upsert';
    await survive({ sql, folder, schema }, `p${at}`, mode, atFailpoint(point, 2));
    t.pass(`${point}, ${mode}`);
  }
});

t.test('COMMIT cut before the server sees it, and after', async (t) => {
  for (const cut of ['before', 'after'] as const) {
    await survive({ sql, folder, schema }, `cut_${cut}`, 'append', cutCommit(cut, 2));
    t.pass(cut);
  }
});

t.test('sixteen loaders at once load each object once', async (t) => {
  await survive({ sql, folder, schema }, 'race', 'append', race(16));
  t.pass('one copy of each row');
});

t.test('killed at random moments, again and again', async (t) => {
  await survive({ sql, folder, schema }, 'random', 'append', atRandom(1_500), 6);
  t.pass('nothing lost, nothing twice');
});
