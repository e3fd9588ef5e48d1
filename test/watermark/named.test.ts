/** What `s3-clean` must leave alone: every object that a generation names, wherever the generation lies. */
import t from 'tap';
import { advance } from '../../src/watermark/advance.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { reset, restore } from '../../src/watermark/moves.js';
import { type Named, collectNamed } from '../../src/watermark/named.js';
import { pack, planPack } from '../../src/watermark/pack.js';
import { MemoryStore } from './memory-store.js';
import { bytesOf, linesOf, receiptsFrom } from './receipts.js';
import { said } from './said.js';

const { signal } = new AbortController();
const hand = { run_id: 'r' };

async function deliver(chain: Chain, from: number, count: number, run: string): Promise<void> {
  const codec = advance(chain, { flushMs: 60_000, flushFiles: 1, runId: 'x' });
  for await (const _ of codec(bytesOf(linesOf(receiptsFrom(from, count, run))), signal));
}

/** `run/position` and its mark, in order. */
async function marks(chain: Chain, found = new Map<string, Named>(), after = 0): Promise<string> {
  await collectNamed(chain, 's3://lake/', found, after);
  const one = ([url, { mark }]: [string, Named]): string => `${url.slice(22, -8)} ${mark}`;
  return [...found].map(one).sort().join(', ');
}

t.test('pending, loaded, left behind by a reset, packed, and pending again', async (t) => {
  const store = new MemoryStore();
  const chain = openChain(store, 'shop.orders', { by: 'test', signal });
  await deliver(chain, 0, 3, 'a');
  await chain.commitLoaded(1, hand);
  t.equal(await marks(chain), 'a/0 loaded, a/1 pending, a/2 pending');
  await reset(chain, hand);
  await deliver(chain, 0, 1, 'b');
  t.equal(await marks(chain), 'a/0 loaded, a/1 left, a/2 left, b/0 pending');
  await chain.commitLoaded(7, hand);
  for (let plan; (plan = await planPack(chain, 1, Date.now() + 60_000)); ) await pack(chain, plan, signal);
  t.ok(store.files.size < 6, 'it is packed');
  t.equal(await marks(chain), 'a/0 loaded, a/1 left, a/2 left, b/0 loaded');
  await restore(chain, 3, hand);
  t.equal(await marks(chain), 'a/0 loaded, a/1 pending, a/2 pending, b/0 loaded');
});

t.test('what comes after the first look is seen by the second', async (t) => {
  const chain = openChain(new MemoryStore(), 'shop.orders', { by: 'test', signal });
  await deliver(chain, 0, 1, 'a');
  const found = new Map<string, Named>();
  const seen = await collectNamed(chain, 's3://lake/', found);
  await deliver(chain, 1, 1, 'b');
  t.equal(await marks(chain, found, seen), 'a/0 pending, b/1 pending');
});

t.test('a generation that cannot be read is an error: nobody knows what it names', async (t) => {
  const store = new MemoryStore();
  const chain = openChain(store, 'shop.orders', { by: 'test', signal });
  await deliver(chain, 0, 3, 'a');
  store.files.set('shop.orders/0000000002.json', Buffer.from('{'));
  t.match(await said(() => marks(chain)), /^data: /);
});
