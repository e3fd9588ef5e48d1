/** `kill -9` at every failpoint of `wm`, on both stores; then the same line again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import { audit } from '../../src/watermark/audit.js';
import { openChain } from '../../src/watermark/chain.js';
import { FileStore } from '../../src/watermark/file-store.js';
import type { WatermarkStore } from '../../src/watermark/store.js';
import { linesOf, receiptsFrom } from '../watermark/receipts.js';
import { testS3 } from '../watermark/test-s3.js';
import { type Ended, wm } from '../watermark/wm-program.js';

const { signal } = new AbortController();
t.setTimeout(400_000);
const TABLE = 'shop.orders';
const root = await mkdtemp(join(tmpdir(), 'wm-kill-'));
const s3 = await testS3();
t.teardown(async () => {
  await s3.stop();
  await rm(root, { recursive: true, force: true });
});

interface Place {
  store: WatermarkStore;
  env: Record<string, string>;
}

const places: Record<string, () => Promise<Place>> = {
  async file() {
    const folder = await mkdtemp(join(root, 'store-'));
    return { store: new FileStore(folder), env: { TABLEPIPE_WM_STORE: `file://${folder}` } };
  },
  async s3() {
    const store = await s3.store();
    return { store, env: { ...s3.env, TABLEPIPE_WM_STORE: store.url } };
  },
};

const killed = (ended: Ended): boolean => ended.signal === 'SIGKILL';
const at = (point: string, nth: number): Record<string, string> => ({
  TABLEPIPE_UNSAFE_FAILPOINTS: `${point}=kill@${nth}`,
});
const tried = new Set<string>();

const ADVANCE = ['wm.before-create', 'wm.after-create', 'wm.after-hint', 'wm.before-print'];
const FILE_ONLY = ['wm.file.written', 'wm.file.linked'];

for (const [name, open] of Object.entries(places)) {
  for (const point of [...ADVANCE, ...(name === 'file' ? FILE_ONLY : [])]) {
    t.test(`${name}: advance killed at ${point}`, async (t) => {
      for (const nth of name === 'file' ? [1, 3] : [2]) {
        const { store, env } = await open();
        const words = ['advance', TABLE, '--flush-files', '1'];
        const first = await wm(words, { ...env, ...at(point, nth) }, linesOf(receiptsFrom(0, 3)));
        t.ok(killed(first), `the failpoint fired (${nth}): ${first.stderr}`);
        tried.add(point);
        const chain = openChain(store, TABLE, { by: 'test', signal, patienceMs: 5_000 });
        const stands = Number((await chain.read())?.doc.to?.[0] ?? 0);
        const passed = first.stdout.split('\n').filter((line) => line.includes('"generation"')).length;
        t.ok(passed <= stands, `${passed} passed on, ${stands} committed: nothing is passed on before its commit`);
        // The same line again extracts from where the chain stands, and repeats what it had in hand.
        const again = await wm(words, env, linesOf(receiptsFrom(stands, 3 - stands, 'again')));
        t.equal(again.code, 0, again.stderr);
        const state = (await chain.read())?.doc.state;
        t.match(state, { cursor: ['3'], mysql_rows_extracted: 30, pending_files: 3 });
        const findings = [];
        for await (const one of audit(chain, { objects: undefined, read: false })) findings.push(one);
        t.same(findings, []);
      }
    });
  }

  t.test(`${name}: the same receipts again, after a kill, are stored once`, async (t) => {
    const { store, env } = await open();
    const text = linesOf(receiptsFrom(0, 3));
    t.ok(killed(await wm(['advance', TABLE], { ...env, ...at('wm.after-create', 1) }, text)));
    const again = await wm(['advance', TABLE], env, text);
    t.equal(again.code, 0, again.stderr);
    t.equal(again.stdout.split('"generation":1').length, 4, 'all three are passed on');
    const doc = (await openChain(store, TABLE, { by: 'test', signal }).read())?.doc;
    t.match(doc, { generation: 1, state: { mysql_rows_extracted: 30 } });
  });

  t.test(`${name}: force-reset killed while it moves files aside`, async (t) => {
    const { store, env } = await open();
    for (const start of [0, 2])
      await wm(['advance', TABLE, '--flush-files', '1'], env, linesOf(receiptsFrom(start, 2)));
    t.ok(killed(await wm(['force-reset', TABLE], { ...env, ...at('wm.aside.copied', 2) })));
    tried.add('wm.aside.copied');
    const again = await wm(['force-reset', TABLE], env);
    t.equal(again.code, 0, again.stderr);
    const chain = openChain(store, TABLE, { by: 'test', signal });
    const { generation } = (await chain.read())?.doc ?? { generation: 0 };
    t.same(
      (await store.list(chain.folder, '', signal)).entries.filter(({ name: file }) => !file.startsWith('_')).length,
      1,
    );
    t.equal((await wm(['advance', TABLE], env, linesOf(receiptsFrom(0, 1)))).code, 0);
    t.equal((await chain.read())?.doc.generation, generation + 1, 'numbers go on, none is used twice');
  });

  t.test(`${name}: a lease whose holder was killed runs out`, async (t) => {
    const { env } = await open();
    t.ok(killed(await wm(['lock', TABLE, '--ttl', '6s'], { ...env, ...at('wm.lease.acquired', 1) })));
    tried.add('wm.lease.acquired');
    t.equal((await wm(['lock', TABLE], env)).code, 80);
    const started = Date.now();
    const taken = await wm(['run', TABLE, '--wait', '60s', '--', 'true'], env);
    t.equal(taken.code, 0, taken.stderr);
    t.ok(Date.now() - started < 30_000, 'the lease ran out, nobody had to break it');
  });
}

t.test('every failpoint of wm was tried', async (t) => {
  t.same([...tried].sort(), FAILPOINTS.filter((name) => name.startsWith('wm.')).sort());
});

t.test('a failpoint nobody knows is 64, and none is armed without the variable', async (t) => {
  const { env } = (await places.file?.()) ?? { env: {} };
  t.equal((await wm(['get', TABLE], { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: 'wm.nowhere=kill' })).code, 64);
  t.equal((await wm(['get', TABLE], { ...env, TABLEPIPE_FAILPOINTS: 'wm.before-print=kill' })).code, 0);
});
