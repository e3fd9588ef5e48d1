/** SIGKILL in the middle of any one stage, then the same line again: source and target are equal. */
import t from 'tap';
import { equalTables } from '../support/oracle.js';
import { demandStatus } from '../support/pipeline.js';
import { shopRun } from './shop-run.js';

const arm = (place: string): string => `TABLEPIPE_UNSAFE_FAILPOINTS=${place}`;

/** Stage number and the place where it dies; the killed stage ends with 137 and no stage claims success it has not. */
const KILLS: readonly (readonly [number, string])[] = [
  [1, 'mysql-extract.after-page=kill@2'],
  [1, 'mysql-extract.before-end=kill'],
  [2, 'to-parquet.after-batch=kill@2'],
  [2, 'to-parquet.before-end=kill'],
  [3, 's3-put.before-create=kill@2'],
  [3, 's3-put.before-receipt=kill@2'],
  [4, 'wm.after-create=kill@1'],
  [4, 'wm.before-print=kill@1'],
  [5, 'rs-copy.after-copy=kill'],
  [5, 'rs-copy.after-commit=kill'],
];

for (const [stage, place] of KILLS) {
  t.test(`stage ${stage} killed at ${place}`, async (t) => {
    const shop = await shopRun(8_000, 2_000);
    t.teardown(() => shop.close());
    const cut = await shop.run({ [stage]: arm(place) });
    t.equal(cut.stages[stage - 1], 137, `the stage was killed (${cut.stages.join(' ')})\n${cut.stderr}`);
    t.not(cut.code, 0, 'and the line says so');
    const again = demandStatus(await shop.run());
    t.strictSame(again.stages, [0, 0, 0, 0, 0]);
    const verdict = await shop.verdict();
    t.ok(equalTables(verdict), JSON.stringify(verdict));
  });
}
