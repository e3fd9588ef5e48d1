/** The newest of 100,000 real generations: at most two requests, counted, on both stores. */
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openChain } from '../../src/watermark/chain.js';
import { FileStore } from '../../src/watermark/file-store.js';
import { type Link, generationBytes } from '../../src/watermark/generation.js';
import { setCursor } from '../../src/watermark/moves.js';
import { type WatermarkStore, generationName } from '../../src/watermark/store.js';
import { BreakingStore } from '../watermark/memory-store.js';
import { testS3 } from '../watermark/test-s3.js';

const { signal } = new AbortController();
// Every creation under way listens; Node warns at eleven.
setMaxListeners(0, signal);
const LENGTH = Number(process.env.TABLEPIPE_TEST_GENERATIONS ?? 100_000);
/** Creations under way at the same time. */
const AT_ONCE = 32;
t.setTimeout(3_600_000);

/**
 * Fills the numbers up to the last but one with generations, many at a time, then commits the last through the chain.
 * Only the last but one is read on the way, so the others need not name each other.
 */
async function fill(t: Test, store: WatermarkStore): Promise<void> {
  const started = performance.now();
  const chain = openChain(store, 'shop.orders', { by: 'test', signal });
  await setCursor(chain, ['1'], false, { run_id: 'r' });
  const { doc } = (await chain.read()) as Link;
  let next = 2;
  const work = async (): Promise<void> => {
    for (let at = next++; at < LENGTH; at = next++) {
      await store.create(`${chain.folder}/${generationName(at)}`, generationBytes({ ...doc, generation: at }), signal);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await setCursor(chain, ['2'], false, { run_id: 'r' });
  t.comment(`${LENGTH} generations in ${Math.round((performance.now() - started) / 1000)} s`);
}

/** Reads the newest, with the hint and without; says how long it took and how many requests. */
async function read(t: Test, store: WatermarkStore, requests: () => number): Promise<number> {
  const before = requests();
  const started = performance.now();
  t.equal((await openChain(store, 'shop.orders', { by: 'test', signal }).read())?.doc.generation, LENGTH);
  t.comment(`newest read in ${Math.round(performance.now() - started)} ms with ${requests() - before} requests`);
  return requests() - before;
}

t.test('file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wm-long-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const store = new FileStore(folder);
  await fill(t, store);
  const counting = new BreakingStore(store, []);
  t.equal(await read(t, counting, () => counting.calls), 2, 'one listing, one file');
});

t.test('s3', async (t) => {
  const s3 = await testS3();
  t.teardown(() => s3.stop());
  t.comment(s3.name);
  const store = await s3.store();
  await fill(t, await s3.past(store));
  const requests = (): number => s3.proxy.requests.length;
  t.equal(await read(t, store, requests), 2, 'the hint, one listing');
  await store.remove('shop.orders/_head.json', signal);
  t.ok((await read(t, store, requests)) <= 30, 'without the hint');
});
