import t from 'tap';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { advance } from '../../src/watermark/advance.js';
import { everyGeneration, pack, planPack } from '../../src/watermark/pack.js';
import { type Break, BreakingStore, Crash, MemoryStore } from './memory-store.js';
import { bytesOf, linesOf, receiptsFrom } from './receipts.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const { signal } = new AbortController();
const later = Date.now() + 3_600_000;

async function chainOf(store: MemoryStore, receipts: number): Promise<Chain> {
  const chain = openChain(store, 'shop.orders', { by: 'test', signal, patienceMs: 0 });
  const codec = advance(chain, { flushMs: 60_000, flushFiles: 1, runId: 'x' });
  for await (const _ of codec(bytesOf(linesOf(receiptsFrom(0, receipts))), signal));
  return chain;
}

async function urls(chain: Chain): Promise<string[]> {
  const found: string[] = [];
  for await (const doc of everyGeneration(chain)) found.push(...doc.receipts.map(({ url }) => url));
  return found;
}

t.test('what is pending, new or young is never packed', async (t) => {
  const chain = await chainOf(new MemoryStore(), 10);
  t.equal(await planPack(chain, 2, later), undefined, 'all is pending');
  await chain.commitLoaded(6, { run_id: 'load' });
  t.match(await planPack(chain, 2, later), { first: 1, last: 6 });
  t.match(await planPack(chain, 7, later), { first: 1, last: 5 });
  t.equal(await planPack(chain, 2, Date.now() - 86_400_000), undefined, 'all is young');
});

t.test(
  'packed generations are still known, and the chain goes on; killed anywhere and run again it converges',
  async (t) => {
    for (let at = 1; at <= 20; at += 1) {
      const store = new MemoryStore();
      const chain = await chainOf(store, 6);
      await chain.commitLoaded(6, { run_id: 'load' });
      const before = await urls(chain);
      const breaks: Break[] = [{ at, how: 'crash-after' }];
      const dying = openChain(new BreakingStore(store, breaks), 'shop.orders', { by: 'test', signal, patienceMs: 0 });
      const once = async (on: Chain): Promise<void> => {
        const plan = await planPack(on, 1, later);
        if (plan) await pack(on, plan, signal);
      };
      await once(dying).catch((error: unknown) => {
        if (!(error instanceof Crash)) throw error;
      });
      t.same(await urls(chain), before, `killed at call ${at}: nothing is forgotten`);
      await once(chain);
      t.same(await urls(chain), before);
      const left = [...store.files.keys()].filter((key) => /orders\/\d/.test(key));
      t.equal(left.length, 1, 'only the newest is in place');
      t.equal((await chain.read())?.doc.generation, 8);
      await chain.commit((tail, _next, when) => ({
        kind: 'set',
        run_id: 'r',
        state: { ...(tail?.link?.doc.state as never as object), updated_at: when } as never,
      }));
      t.equal((await chain.read())?.doc.generation, 9);
    }
  },
);
