import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type Sink, chain, interruptible, run, runThrough } from '../src/stage.js';

const collect =
  <A>(): Sink<A, A[]> =>
  async (input) => {
    const items: A[] = [];
    for await (const item of input) items.push(item);
    return items;
  };

t.test('source, codecs and sink are joined in order', async (t) => {
  const numbers = async function* (): AsyncGenerator<number> {
    yield* [1, 2, 3];
  };
  const double = async function* (input: AsyncIterable<number>): AsyncGenerator<number> {
    for await (const item of input) yield item * 2;
  };
  const { signal } = new AbortController();
  t.same(await run(numbers, collect(), signal), [1, 2, 3]);
  t.same(await runThrough(numbers, chain(double, double), collect(), signal), [4, 8, 12]);
});

t.test('a source that never answers is cut off by the signal, and its clean-up still runs', async (t) => {
  const controller = new AbortController();
  let cleaned = false;
  const stuck = async function* (signal: AbortSignal): AsyncGenerator<number> {
    try {
      yield 1;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await sleep(5);
    } finally {
      cleaned = true;
    }
  };
  setTimeout(() => controller.abort(new Error('stop')), 10);
  await t.rejects(run(stuck, collect(), controller.signal), { message: 'stop' });
  await sleep(20);
  t.ok(cleaned);
});

t.test('the source is asked only when the sink is ready', async (t) => {
  let produced = 0;
  const source = async function* (): AsyncGenerator<number> {
    for (;;) {
      produced += 1;
      yield produced;
    }
  };
  const { signal } = new AbortController();
  const first = interruptible(source(), signal);
  await first.next();
  await sleep(5);
  t.equal(produced, 1);
  await first.return(undefined);
});

t.test('an error in the sink ends the source', async (t) => {
  let ended = false;
  const source = async function* (): AsyncGenerator<number> {
    try {
      for (;;) yield 1;
    } finally {
      ended = true;
    }
  };
  const failing: Sink<number, void> = async (input) => {
    for await (const _ of input) throw new Error('full');
  };
  await t.rejects(run(source, failing, new AbortController().signal), { message: 'full' });
  t.ok(ended);
});
