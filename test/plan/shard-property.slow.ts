/** Plans of shards for random tables, new ones each time; TABLEPIPE_TEST_SEED draws the same again. */
import t from 'tap';
import { KINDS } from './key-sets.js';
import { scratch } from './scratch.js';
import { checkPlan } from './shard-property.js';

const ROUNDS = 40;

t.setTimeout(1_500_000);
const db = await scratch('shard_sets');
t.teardown(() => db.drop());
const seed = process.env.TABLEPIPE_TEST_SEED ?? String(Date.now());
t.comment(`TABLEPIPE_TEST_SEED=${seed}`);

for (const kind of Object.keys(KINDS)) {
  t.test(`plans for ${kind} keys`, async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) await checkPlan(t, db, kind, `${seed} ${round}`);
  });
}
