/** The newest of 100,000 real generations: at most two requests, counted, on both stores. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { openChain } from '../../src/watermark/chain.js';
import { FileStore } from '../../src/watermark/file-store.js';
import { emptyState } from '../../src/watermark/state.js';
import { type WatermarkStore, generationName } from '../../src/watermark/store.js';
import { BreakingStore } from '../watermark/memory-store.js';
import { testS3 } from '../watermark/test-s3.js';

const { signal } = new AbortController();
const LENGTH = 100_000;
t.setTimeout(3_600_000);

/** Fills the numbers below the last, then commits the last through the chain. */
async function chainOn(store: WatermarkStore, put: (name: string) => Promise<unknown>): Promise<void> {
  for (let at = 1; at < LENGTH; at += 16) {
    const numbers = Array.from({ length: Math.min(16, LENGTH - at) }, (_, n) => at + n);
    await Promise.all(numbers.map((number) => put(generationName(number))));
  }
  await openChain(store, 'shop.orders', { by: 'test', signal }).commit((_tail, _next, at) => ({
    kind: 'reset',
    run_id: 'r',
    state: emptyState(at),
  }));
}

t.test('file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wm-long-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'shop.orders'));
  await chainOn(new FileStore(folder), (name) => writeFile(join(folder, 'shop.orders', name), '{}'));
  const counting = new BreakingStore(new FileStore(folder), []);
  const started = performance.now();
  t.equal((await openChain(counting, 'shop.orders', { by: 'test', signal }).read())?.doc.generation, LENGTH);
  t.ok(counting.calls <= 2, `${counting.calls} requests, ${Math.round(performance.now() - started)} ms`);
});

t.test('s3', async (t) => {
  const s3 = await testS3();
  t.teardown(() => s3.stop());
  t.comment(s3.name);
  const store = await s3.store();
  await chainOn(store, (name) => store.create(`shop.orders/${name}`, Buffer.from('{}'), signal));
  s3.proxy.requests.length = 0;
  const started = performance.now();
  t.equal((await openChain(store, 'shop.orders', { by: 'test', signal }).read())?.doc.generation, LENGTH);
  t.ok(
    s3.proxy.requests.length <= 2,
    `${s3.proxy.requests.length} requests, ${Math.round(performance.now() - started)} ms`,
  );
});
