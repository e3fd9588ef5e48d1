/** A writer that reads its tail and then sleeps, while others write, start over or prune: it wakes to a conflict. */
import t from 'tap';
import { audit } from '../../src/watermark/audit.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { forceReset, setCursor } from '../../src/watermark/moves.js';
import { pack, planPack } from '../../src/watermark/pack.js';
import { generationName } from '../../src/watermark/store.js';
import { MemoryStore } from './memory-store.js';
import { said } from './said.js';

const { signal } = new AbortController();
const hand = { run_id: 'r' };
const open = (store: MemoryStore): Chain => openChain(store, 'shop.orders', { by: 'test', signal });

/** A store as a sleeping writer sees it: everything before its creation of a generation happened long ago. */
class Asleep extends MemoryStore {
  constructor(
    private readonly awake: MemoryStore,
    private readonly meanwhile: () => Promise<unknown>,
  ) {
    super();
  }
  override create: MemoryStore['create'] = async (key, bytes) => {
    if (/\/[0-9]{10}\.json$/.test(key)) await this.meanwhile();
    return this.awake.create(key, bytes);
  };
  override read: MemoryStore['read'] = (key) => this.awake.read(key);
  override list: MemoryStore['list'] = (folder, after) => this.awake.list(folder, after);
  override remove: MemoryStore['remove'] = (key) => this.awake.remove(key);
  override replace: MemoryStore['replace'] = (key, bytes) => this.awake.replace(key, bytes);
}

const others: Record<string, (chain: Chain) => Promise<unknown>> = {
  'force-reset': (chain) => forceReset(chain, hand, signal),
  prune: async (chain) => {
    const plan = await planPack(chain, 1, Date.now() + 60_000);
    if (plan) await pack(chain, plan, signal);
  },
};

for (const [name, free] of Object.entries(others)) {
  for (const generations of [0, 1, 5]) {
    t.test(`${name}, after ${generations} generations`, async (t) => {
      const store = new MemoryStore();
      const chain = open(store);
      for (let n = 1; n <= generations; n += 1) await setCursor(chain, [String(n)], false, hand);
      const sleeper = open(
        new Asleep(store, async () => {
          for (let n = 1; n <= 3; n += 1) await setCursor(chain, [String(100 + n)], false, hand);
          await free(chain);
        }),
      );
      const number = generationName(generations + 1);
      t.match(await said(() => setCursor(sleeper, ['50'], false, hand)), /^conflict: /);
      t.notOk(store.files.has(`shop.orders/${number}`), 'the number it took was given back');
      const found: unknown[] = [];
      for await (const one of audit(chain, { objects: undefined, read: false })) found.push(one);
      t.same(found, []);
      const cursor = (await chain.read())?.doc.state.cursor ?? null;
      t.same(cursor, name === 'prune' ? ['103'] : null);
    });
  }
}

t.test('a commit that somebody built upon stands, also when that was quick', async (t) => {
  const store = new MemoryStore();
  const chain = open(store);
  const create = store.create.bind(store);
  let followed = false;
  store.create = async (key, bytes) => {
    const created = await create(key, bytes);
    if (key.endsWith('0000000001.json') && !followed) {
      followed = true;
      await setCursor(open(store), ['2'], false, hand);
    }
    return created;
  };
  t.equal((await setCursor(chain, ['1'], false, hand)).generation, 1);
  t.equal((await chain.read())?.doc.generation, 2);
});
