/** One suite for every store: the file store, the S3 store, and both behind faults. */
import { once } from 'node:events';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { connectS3 } from '../../src/connect/s3.js';
import { openChain } from '../../src/watermark/chain.js';
import { FileStore } from '../../src/watermark/file-store.js';
import { tryStore } from '../../src/watermark/probe.js';
import { S3Store } from '../../src/watermark/s3-store.js';
import { type WatermarkStore, generationName, tableFolder } from '../../src/watermark/store.js';
import { emptyState, foldSet } from '../../src/watermark/state.js';
import { BreakingStore, MemoryStore } from '../watermark/memory-store.js';
import { said } from '../watermark/said.js';
import { type TestS3, testS3 } from '../watermark/test-s3.js';

const { signal } = new AbortController();
// A busy machine makes hundreds of requests slow.
t.setTimeout(240_000);
const text = (value: string): Uint8Array => Buffer.from(value);

const s3: TestS3 = await testS3();
t.teardown(() => s3.stop());
t.comment(`S3: ${s3.name}`);

const root = await mkdtemp(join(tmpdir(), 'wm-store-'));
t.teardown(() => rm(root, { recursive: true, force: true }));

const stores: [string, () => Promise<WatermarkStore>][] = [
  ['file', async () => new FileStore(await mkdtemp(join(root, 'file-')))],
  ['s3', () => s3.store()],
  ['memory', async () => new MemoryStore()],
];

for (const [name, open] of stores) {
  t.test(`${name}: created once, read back, listed, removed`, async (t) => {
    const store = await open();
    t.equal(await store.read('a/none', signal), undefined);
    t.same(await store.list('a', '', signal), { entries: [], more: false });
    t.equal((await store.create('a/0000000002.json', text('two'), signal)).outcome, 'created');
    t.equal((await store.create('a/0000000002.json', text('other'), signal)).outcome, 'exists');
    t.equal(
      String(Buffer.from((await store.read('a/0000000002.json', signal)) ?? [])),
      'two',
      'the first content stays',
    );
    await store.create('a/0000000010.json', text('ten'), signal);
    await store.create('a/0000000001.json', text('one'), signal);
    await store.create('a/_x/0000000003.json', text('deeper'), signal);
    await store.replace('a/_head.json', text('h1'), signal);
    await store.replace('a/_head.json', text('h2'), signal);
    t.equal(String(Buffer.from((await store.read('a/_head.json', signal)) ?? [])), 'h2');
    const names = async (after: string): Promise<string[]> =>
      (await store.list('a', after, signal)).entries.map((entry) => entry.name);
    t.same(await names(''), ['0000000001.json', '0000000002.json', '0000000010.json', '_head.json']);
    t.same(await names('0000000002.json'), ['0000000010.json', '_head.json']);
    await store.create('b%20c/0000000001.json', text('x'), signal);
    await store.create('_probe/x.json', text('x'), signal);
    t.same(await store.folders(signal), ['a', 'b%20c'], "names that begin with _ are the store's own");
    await store.remove('a/0000000002.json', signal);
    await store.remove('a/0000000002.json', signal);
    t.equal(await store.read('a/0000000002.json', signal), undefined);
    t.ok(Math.abs(store.now() - Date.now()) < 5_000);
  });

  t.test(`${name}: one winner among racers, and the losers see its content`, async (t) => {
    const store = await open();
    for (let round = 1; round <= 10; round += 1) {
      const key = `race/${generationName(round)}`;
      const outcomes = await Promise.all(
        Array.from(
          { length: 8 },
          async (_, n) => [n, (await store.create(key, text(`racer ${n}`), signal)).outcome] as const,
        ),
      );
      const winners = outcomes.filter(([, outcome]) => outcome === 'created');
      t.equal(winners.length, 1);
      t.equal(String(Buffer.from((await store.read(key, signal)) ?? [])), `racer ${winners[0]?.[0]}`);
    }
    const trials = await tryStore(store, signal);
    t.ok(
      trials.every((trial) => trial.ok),
      JSON.stringify(trials),
    );
  });

  t.test(`${name}: a chain survives lost answers and failures at every call`, async (t) => {
    let fired = 0;
    for (const how of ['lost', 'fail'] as const) {
      for (let at = 1; at <= 8; at += 1) {
        const broken = new BreakingStore(await open(), [{ at, how }]);
        const chain = openChain(broken, 'shop.orders', { by: 'test', signal, patienceMs: 5_000 });
        for (let n = 1; n <= 3; n += 1) {
          const link = await chain.commit((tail, _next, when) => {
            const state = foldSet(tail?.link?.doc.state ?? emptyState(when), [String(n)], ['id'], when);
            return { kind: 'set', run_id: 'r', to: [String(n)], state };
          });
          t.equal(link?.doc.generation, n, 'its own write is recognised: no number is used twice');
        }
        fired += broken.fired;
      }
    }
    t.equal(fired, 16, 'every fault fired');
  });
}

t.test('a store that ignores the condition is refused with 76 before anything is committed', async (t) => {
  const permissive = await testS3({ permissive: true });
  t.teardown(() => permissive.stop());
  const store = await permissive.store();
  const chain = openChain(store, 'shop.orders', { by: 'test', signal, patienceMs: 0 });
  const attempt = (): Promise<unknown> =>
    chain.commit((_tail, _next, at) => ({ kind: 'reset', run_id: 'r', state: emptyState(at) }));
  t.match(await said(attempt), /^protocol: .*ignores If-None-Match/);
  t.equal(await chain.tail(), undefined, 'nothing was committed');
  t.ok((await tryStore(store, signal)).some((trial) => !trial.ok));
});

t.test('S3: an answer lost on the wire after the server acted is recognised', async (t) => {
  const store = await s3.store();
  const chain = openChain(store, 'shop.orders', { by: 'test', signal, patienceMs: 5_000 });
  for (const fault of ['lose-answer', 'reset-before', 503] as const) {
    const before = (await chain.tail())?.generation ?? 0;
    s3.proxy.clear();
    s3.proxy.arm({ operation: 'put', fault, path: /orders\/\d{10}/ });
    const link = await chain.commit((_tail, _next, at) => ({
      kind: 'reset',
      run_id: String(fault),
      state: emptyState(at),
    }));
    t.equal(s3.proxy.fired(), 1, 'the fault fired');
    t.equal(link?.doc.generation, before + 1);
    t.equal((await chain.read())?.doc.run_id, String(fault));
  }
});

t.test('S3: reading the newest generation takes two requests, on a chain of 100,000 too', async (t) => {
  const store = await s3.store();
  const chain = openChain(store, 'shop.orders', { by: 'test', signal });
  // The listing is asked for what comes after the hint, so 2,100 files around the end behave as 100,000 do.
  const filler = text('{}');
  const numbers = [
    ...Array.from({ length: 1_050 }, (_, n) => n + 1),
    ...Array.from({ length: 1_050 }, (_, n) => 98_950 + n),
  ];
  for (let at = 0; at < numbers.length; at += 8) {
    await Promise.all(
      numbers
        .slice(at, at + 8)
        .map((number) => store.create(`${chain.folder}/${generationName(number)}`, filler, signal)),
    );
  }
  await chain.commit((_tail, _next, at) => ({ kind: 'reset', run_id: 'r', state: emptyState(at) }));
  s3.proxy.requests.length = 0;
  t.equal((await chain.read())?.doc.generation, 100_000);
  t.equal(s3.proxy.requests.length, 2, JSON.stringify(s3.proxy.requests));
  await store.remove(`${chain.folder}/_head.json`, signal);
  s3.proxy.requests.length = 0;
  t.equal((await chain.read())?.doc.generation, 100_000, 'without the hint it is found all the same');
  t.ok(s3.proxy.requests.length < 30, `${s3.proxy.requests.length} requests without a hint`);
});

t.test(
  'a full chain of 100,000: two requests with the hint; a stale or foreign hint never hides the truth',
  async (t) => {
    const store = new MemoryStore();
    const chain = openChain(store, 'shop.orders', { by: 'test', signal });
    for (let at = 1; at < 100_000; at += 1) store.files.set(`${chain.folder}/${generationName(at)}`, Buffer.of());
    await chain.commit((_tail, _next, at) => ({ kind: 'reset', run_id: 'one', state: emptyState(at) }));
    const hint = store.files.get(`${chain.folder}/_head.json`) ?? Buffer.of();
    const read = async (): Promise<[number | undefined, number]> => {
      store.requests = 0;
      return [(await chain.read())?.doc.generation, store.requests];
    };
    t.same(await read(), [100_000, 2]);
    await chain.commit((_tail, _next, at) => ({ kind: 'reset', run_id: 'two', state: emptyState(at) }));
    t.same(await read(), [100_001, 2]);
    store.files.set(`${chain.folder}/_head.json`, hint);
    t.same(await read(), [100_001, 3], 'a writer killed before it left its hint costs one request');
    for (const bad of [
      '',
      '{',
      '{"generation":7,"etag":"x","body":"{}"}',
      '{"generation":200000,"etag":"x","body":"{}"}',
      'null',
    ]) {
      store.files.set(`${chain.folder}/_head.json`, text(bad));
      t.equal((await read())[0], 100_001, `hint ${bad}`);
    }
    store.files.set(`${chain.folder}/${generationName(100_001)}`, text('{"damaged":true}'));
    t.match(
      await said(() => chain.read()),
      /^data: generation 100001 .* the last good one is 100000/,
      'a hint does not cover up damage',
    );
  },
);

t.test('file: leftovers of a killed writer are not generations; a symbolic link is refused', async (t) => {
  const folder = await mkdtemp(join(root, 'left-'));
  const store = new FileStore(folder);
  await store.create('a/0000000001.json', text('one'));
  await writeFile(join(folder, 'a/.tmp-0123456789abcdef'), 'half');
  t.same(
    (await store.list('a', '')).entries.map(({ name }) => name),
    ['0000000001.json'],
  );
  await symlink('/etc/hostname', join(folder, 'a/0000000002.json'));
  t.match(await said(() => store.read('a/0000000002.json')), /ELOOP/);
  t.equal((await store.create('a/0000000002.json', text('x'))).outcome, 'exists');
  t.equal(
    (await readdir(join(folder, 'a'))).filter((name) => name.startsWith('.tmp-')).length,
    1,
    'no new temporary file stays',
  );
});

t.test("S3: the time is the server's, also when it answers that there is nothing", async (t) => {
  const hourMs = 3_600_000;
  const server = createServer((_, answer) => {
    const date = new Date(Date.now() + hourMs).toUTCString();
    answer.writeHead(404, { date, 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = await connectS3({}, { endpoint: `http://127.0.0.1:${port}` });
  t.teardown(() => client.destroy());
  const store = new S3Store(client, 'lake', 'wm/');
  t.ok(Math.abs(store.now() - Date.now()) < 5_000);
  t.equal(await store.read('a/none', signal), undefined);
  t.ok(Math.abs(store.now() - Date.now() - hourMs) < 5_000);
});

t.test('no table name leaves its place or meets another', async (t) => {
  const names = [
    'shop.orders',
    'shop/orders',
    '../x',
    '..',
    '.',
    '_probe',
    'a b',
    'ä',
    'Ä',
    '%41',
    'A',
    '`a.b`.c',
    'x'.repeat(300),
    `${'x'.repeat(300)}y`,
    '\u202e',
    '-rf',
  ];
  const folders = names.map(tableFolder);
  t.equal(new Set(folders).size, names.length);
  for (const folder of folders) t.match(folder, /^[A-Za-z0-9%-][A-Za-z0-9._%-]{0,199}$/);
});
