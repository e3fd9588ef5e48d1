import t from 'tap';
import { pause, retry } from '../src/retry.js';

const { signal } = new AbortController();
const fast = { budgetMs: 1_000, baseMs: 1, permanent: () => false, signal };

t.test('retries until it works, and says so', async (t) => {
  const seen: number[] = [];
  const value = await retry(
    async (attempt) => {
      if (attempt < 3) throw new Error('not yet');
      return attempt;
    },
    { ...fast, onRetry: (_, attempt) => seen.push(attempt) },
  );
  t.equal(value, 3);
  t.same(seen, [1, 2]);
});

t.test('gives up on a permanent error, on the last attempt, and when the budget is spent', async (t) => {
  let calls = 0;
  const fail = async (): Promise<never> => {
    calls += 1;
    throw new Error('no');
  };
  await t.rejects(retry(fail, { ...fast, permanent: () => true }), { message: 'no' });
  t.equal(calls, 1);
  calls = 0;
  await t.rejects(retry(fail, { ...fast, attempts: 4 }), { message: 'no' });
  t.equal(calls, 4);
  calls = 0;
  let clock = 0;
  await t.rejects(retry(fail, { ...fast, budgetMs: 30, now: () => (clock += 10), random: () => 0 }), { message: 'no' });
  t.ok(calls >= 2 && calls <= 4, `${calls} calls in the budget`);
});

t.test('the pause has full jitter below a doubling bound', async (t) => {
  const pauses: number[] = [];
  const failing = async (): Promise<never> => {
    throw new Error('no');
  };
  await t.rejects(
    retry(failing, {
      ...fast,
      baseMs: 2,
      capMs: 9,
      attempts: 5,
      random: () => 1,
      onRetry: (_e, _a, ms) => pauses.push(ms),
    }),
  );
  t.same(pauses, [4, 8, 9, 9]);
});

t.test('the signal ends a pause at once', async (t) => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('stop')), 5);
  const started = Date.now();
  await t.rejects(pause(10_000, controller.signal), { message: 'stop' });
  t.ok(Date.now() - started < 2_000);
});
