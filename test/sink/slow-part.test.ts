/** A part that crawls while its connection is alive, and a line on which every part does (reference/reliability.md row 46). */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { PartTimes } from '../../src/sink/part-times.js';
import { pause } from '../../src/retry.js';
import { MIB, S3Scratch, chunksOf } from '../support/s3-scratch.js';

t.setTimeout(120_000);
const s3 = await S3Scratch.open(60_000);
t.teardown(() => s3.close());
const { signal } = new AbortController();
const bytes = randomBytes(35 * MIB);

t.beforeEach(() => s3.faults.clear());

t.test('one part at 1 KB/s is sent again on another connection', async (t) => {
  s3.faults.arm({ operation: 'part', path: /partNumber=6&/, fault: { bytesPerSecond: 1_000 } });
  const words: string[] = [];
  const key = s3.key();
  const onRetry = (error: unknown): void => void words.push((error as Error).message);
  const started = performance.now();
  const stored = await s3.sink(key, { retryMs: 900_000, onRetry })(chunksOf(bytes), signal);
  t.match(stored, { created: true, bytes: bytes.length });
  t.ok(performance.now() - started < 60_000, 'it would have taken an hour and a half');
  t.equal(s3.faults.fired(), 1);
  t.equal(s3.faults.count('part'), 8, 'one of seven parts was sent twice');
  t.match(words, [/^part 6 of s3:.* not there after [0-9]+ s, much later than others$/]);
  t.ok((await s3.content(key))?.equals(bytes));
  t.same(await s3.uploads(), []);
});

t.test('a line that becomes slow as a whole is given more time with each try', async (t) => {
  s3.faults.arm({ operation: 'part', path: /partNumber=[4-7]&/, fault: { delayMs: 3_000 }, times: 8 });
  const stored = await s3.sink(s3.key(), { retryMs: 900_000 })(chunksOf(bytes), signal);
  t.match(stored, { created: true });
  t.ok(s3.faults.fired() >= 4);
  t.ok(s3.faults.count('part') <= 7 + 4, 'two seconds were too short, four are not');
});

t.test('--bwlimit makes parts slow on purpose: none is sent twice', async (t) => {
  s3.faults.arm({ operation: 'part', path: /partNumber=6&/, fault: { delayMs: 3_500 } });
  await s3.sink(s3.key(), { bytesPerSecond: 100 * MIB })(chunksOf(bytes), signal);
  t.equal(s3.faults.fired(), 1);
  t.equal(s3.faults.count('part'), 7);
});

t.test('nothing is given up while too few parts are known, nor in the second half of its patience', async (t) => {
  const times = new PartTimes();
  const slow = (ms: number) => (within: AbortSignal) => pause(ms, within).then(() => 'sent');
  for (let count = 0; count < 3; count += 1) {
    t.equal(await times.triesOf('a part', MIB, 60_000, signal)(slow(1)), 'sent');
  }
  const hurried = times.triesOf('a part', MIB, 60_000, signal);
  t.match(await hurried(slow(2_500)).catch((error: unknown) => error), { kind: 'temporary' });
  t.equal(await hurried(slow(2_500)), 'sent', 'twice as long');
  t.equal(
    await times.triesOf('a part', MIB, 3_000, signal)(slow(2_500)),
    'sent',
    'two of three seconds are more than half',
  );
  const stop = new AbortController();
  const stopped = times.triesOf('a part', MIB, 60_000, stop.signal)(slow(2_500));
  stop.abort(new Error('enough'));
  await t.rejects(stopped, { message: 'enough' });
});
