/** The line on a machine whose clock is wrong or jumps, or with stages whose heap is too small (rows 10 and 27 of the matrix). */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { s3Failure } from '../../src/s3-failure.js';
import { shopRun } from '../pipe/shop-run.js';
import { equalTables } from '../support/oracle.js';
import { addOrders } from '../support/shop.js';

t.setTimeout(300_000);

const STAGES = [1, 2, 3, 4, 5];
const CLOCK = fileURLToPath(new URL('../fixture/shifted-clock.js', import.meta.url));
const everywhere = (words: string): Record<number, string> => Object.fromEntries(STAGES.map((at) => [at, words]));

/** Shifts beyond what the signature of a request may be wrong by (15 minutes), and jumps within it. */
const CLOCKS: readonly (readonly [name: string, shiftMs: number, jumpMs: number])[] = [
  ['an hour behind', -3_600_000, 0],
  ['an hour ahead', 3_600_000, 0],
  ['jumps by four minutes', 0, 262_000],
];

for (const [name, shiftMs, jumpMs] of CLOCKS) {
  t.test(`clock: ${name}`, async (t) => {
    const shop = await shopRun(1_500, 500);
    t.teardown(() => shop.close());
    const wrong = everywhere(`CLOCK_SHIFT_MS=${shiftMs} CLOCK_JUMP_MS=${jumpMs} NODE_OPTIONS=--import=${CLOCK}`);
    const first = await shop.run(wrong);
    t.equal(first.code, 0, first.stderr);
    await addOrders((sql) => shop.mysql.query(sql), 1_501, 2_000, 'NOW(6)', 0);
    await shop.settle();
    const second = await shop.run(wrong);
    t.equal(second.code, 0, second.stderr);
    t.ok(equalTables(await shop.verdict()));
  });
}

t.test('a clock that the client does not put right: 78, with the time of the store', (t) => {
  const date = 'Wed, 25 Nov 2026 17:48:41 GMT';
  const refusal = {
    name: 'RequestTimeTooSkewed',
    $metadata: { httpStatusCode: 403 },
    $response: { headers: { date } },
  };
  const failure = s3Failure(refusal, 'reading', 's3://lake/object', 's3:GetObject');
  t.match(failure, { kind: 'config', message: /17:48:41/, hint: /clock/ });
  t.end();
});

t.test('a stage whose heap is full dies, and the line converges without it', async (t) => {
  const shop = await shopRun(1_500, 500);
  t.teardown(() => shop.close());
  for (const at of STAGES) {
    const dead = await shop.run({ [at]: 'NODE_OPTIONS="--max-old-space-size=1 --max-semi-space-size=1"' });
    t.not(dead.code, 0, `stage ${at}`);
  }
  const last = await shop.run();
  t.equal(last.code, 0, last.stderr);
  t.ok(equalTables(await shop.verdict()));
});
