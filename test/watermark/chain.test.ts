/** A chain that several processes write at once. The whole of it, against a model: `model.test.ts`. */
import t from 'tap';
import type { Failure } from '../../src/errors.js';
import { advance } from '../../src/watermark/advance.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { MemoryStore } from './memory-store.js';
import { bytesOf, linesOf, receiptsFrom } from './receipts.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const { signal } = new AbortController();
const open = (store: MemoryStore): Chain => openChain(store, 'shop.orders', { by: 'test', signal, patienceMs: 2_000 });

async function deliver(chain: Chain, text: string, flushFiles: number): Promise<void> {
  for await (const _ of advance(chain, { flushMs: 60_000, flushFiles, runId: 'x' })(bytesOf(text), signal));
}

t.test('a race of two runs: one goes on, the other stops with 80 and changed nothing', async (t) => {
  for (let round = 0; round < 40; round += 1) {
    const store = new MemoryStore(true, 7);
    const runs = ['a', 'b', 'c'].map((run) => deliver(open(store), linesOf(receiptsFrom(0, 3, run)), 1 + (round % 3)));
    const ended = await Promise.allSettled(runs);
    t.equal(ended.filter(({ status }) => status === 'fulfilled').length, 1, 'one winner');
    for (const one of ended) if (one.status === 'rejected') t.equal((one.reason as Failure).kind, 'conflict');
    const writers = new Set<string>();
    for await (const doc of open(store).generationsAfter(0)) writers.add(doc.run_id);
    t.equal(writers.size, 1, 'every generation is of the winner');
  }
});

t.test('`loaded` by another program commutes with advance', async (t) => {
  const store = new MemoryStore(true, 7);
  await deliver(open(store), linesOf(receiptsFrom(0, 2, 'first')), 1);
  const slow = advance(open(store), { flushMs: 60_000, flushFiles: 1, runId: 'x' })(
    bytesOf(linesOf(receiptsFrom(2, 2, 'second'))),
    signal,
  );
  const items = slow[Symbol.asyncIterator]();
  await items.next();
  t.ok(await open(store).commitLoaded(2, { run_id: 'load' }));
  while (!(await items.next()).done);
  const state = (await open(store).read())?.doc.state;
  t.match(state, {
    cursor: ['4'],
    loaded_generation: 2,
    loaded_cursor: ['2'],
    pending_files: 2,
    mysql_rows_extracted: 40,
  });
  t.equal(await open(store).commitLoaded(2, { run_id: 'load' }), undefined, 'twice is a no-op');
});
