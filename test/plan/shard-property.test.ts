/** Plans of shards for random tables of fixed seeds; the long test draws new ones. */
import t from 'tap';
import { KINDS } from './key-sets.js';
import { scratch } from './scratch.js';
import { checkPlan } from './shard-property.js';

const ROUNDS = 3;

t.setTimeout(120_000);
const db = await scratch('shard_sets');
t.teardown(() => db.drop());

for (const kind of Object.keys(KINDS)) {
  t.test(`plans for ${kind} keys`, async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) await checkPlan(t, db, kind, `fixed ${round}`);
  });
}
