/**
 * The race between a run that finds its object there already and a clean-up that is about to remove it, on a store
 * that knows conditional removals and on one that does not: what a receipt speaks of is there.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { fileObject } from '../../src/sink/file-object.js';
import { removeObjects } from '../../src/sink/removal.js';
import { MIB, S3Scratch, chunksOf } from '../support/s3-scratch.js';

t.setTimeout(240_000);
const s3 = await S3Scratch.open(20_000);
t.teardown(() => s3.close());
const { signal } = new AbortController();
const small = randomBytes(10_000);
const large = randomBytes(6 * MIB);
/** Everything that is found counts as old. */
const OLD = { oldMs: -1e9, settleMs: 0 };

/** What a Failure of a kind looks like. */
const refusal = (kind: string) => ({ name: 'Failure', kind });

t.beforeEach(() => s3.faults.clear());

const seenAt = async (key: string): Promise<number> => (await s3.head(key)).LastModified?.getTime() ?? 0;
const urlOf = (key: string): string => `s3://${s3.bucket}/${key}`;

/** An object that is a second old: the store counts whole seconds. */
async function existing(bytes: Buffer): Promise<{ key: string; modified: number; receipt: unknown }> {
  const key = s3.key();
  const receipt = await s3.sink(key)(chunksOf(bytes), signal);
  const modified = await seenAt(key);
  await sleep(1_100);
  s3.faults.clear();
  return { key, modified, receipt };
}

/** Removes what was seen, as `s3-clean` does. */
function remove(key: string, modified: number, look = () => seenAt(key)): Promise<ReadonlySet<string>> {
  const url = urlOf(key);
  const access = { s3: async () => s3.client, signal, patienceMs: 5_000 };
  return removeObjects([{ url, modified }], async () => new Map([[url, await look()]]), access);
}

for (const [name, bytes] of Object.entries({ small, large })) {
  t.test(`${name}: one that is old is written again, with the same receipt; a young one is not`, async (t) => {
    const { key, modified, receipt } = await existing(bytes);
    t.match(await s3.sink(key)(chunksOf(bytes), signal), { created: false });
    t.equal(s3.faults.count('part'), 0);
    t.equal(await seenAt(key), modified, 'a young one is only compared');
    t.same(await s3.sink(key, OLD)(chunksOf(bytes), signal), { ...(receipt as object), created: false });
    t.ok((await seenAt(key)) > modified, 'an old one is young again');
    t.ok((await s3.content(key))?.equals(bytes));
    t.same(await s3.uploads(), []);
  });

  t.test(`${name}: one that is old and another is 73, and stays as it is`, async (t) => {
    const { key, modified } = await existing(bytes);
    const other = Buffer.from(bytes);
    other[7] = (other[7] ?? 0) ^ 1;
    await t.rejects(s3.sink(key, OLD)(chunksOf(other), signal), refusal('cannot-create'));
    t.equal(await seenAt(key), modified);
    t.same(await s3.uploads(), []);
  });

  t.test(`${name}: removed between the look and the writing, it is made anew`, async (t) => {
    const { key, modified } = await existing(bytes);
    const operation = name === 'small' ? 'put' : 'complete';
    let times = 0;
    // The second put of a small object is the one with If-Match.
    const gate = {
      wait: async () => {
        times += 1;
        if (times === (name === 'small' ? 2 : 1)) t.same([...(await remove(key, modified))], [], 'it was removed');
      },
    };
    s3.faults.arm({ operation: operation, fault: gate, times: 9 });
    t.match(await s3.sink(key, OLD)(chunksOf(bytes), signal), { bytes: bytes.length });
    t.ok((await s3.content(key))?.equals(bytes), 'and is there');
    t.same(await s3.uploads(), []);
  });
}

/** Looked at, then written again by a run, then removed: the order that must not lose the object. */
async function race(t: Test, key: string, modified: number, settle: () => Promise<void>): Promise<ReadonlySet<string>> {
  let renewed: Promise<unknown> = Promise.resolve();
  const wait = async (): Promise<void> => {
    const written = await seenAt(key);
    renewed = s3.sink(key, { ...OLD, settleMs: 1_000 })(chunksOf(small), signal);
    while ((await seenAt(key)) === written) await sleep(20);
  };
  s3.faults.arm({ operation: 'delete', fault: { wait } });
  const kept = await remove(key, modified);
  await settle();
  t.match(await renewed, { bytes: small.length }, 'the run has its receipt');
  t.ok((await s3.content(key))?.equals(small), 'and the receipt speaks of an object');
  return kept;
}

t.test('a store that knows the condition does not remove what was written since it was seen', async (t) => {
  const { key, modified } = await existing(small);
  const kept = await race(t, key, modified, async () => {});
  t.same([...kept], [urlOf(key)], 'and the removal is told so');
});

t.test('a store that does not know it removes it, and the run notices and writes it once more', async (t) => {
  const { key, modified } = await existing(small);
  s3.faults.arm({ operation: 'delete', fault: { status: 501, code: 'NotImplemented' } });
  const kept = await race(t, key, modified, async () => {});
  t.equal(kept.size, 0);
  t.ok(s3.faults.count('put') >= 3, 'refused, written again, and once more');
});

t.test('what was written since it was listed is not asked to go at all', async (t) => {
  const { key, modified } = await existing(small);
  t.same([...(await remove(key, modified, async () => modified + 1_000))], [urlOf(key)]);
  t.ok(await s3.content(key));
  s3.faults.clear();
  t.same([...(await remove(key, modified))], []);
  t.equal(await s3.content(key), undefined);
  t.same([...(await remove(key, modified, async () => modified))], [], 'one that is gone already is fine');
});

t.test(
  'a file that is old is made young; one that is removed meanwhile is 75, and there again the next time',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'renewal-'));
    t.teardown(() => rm(dir, { recursive: true, force: true }));
    const path = join(dir, 'x.parquet');
    const put = (settleMs = 0) => fileObject(path, settleMs)(chunksOf(small), signal);
    const first = await put();
    const old = new Date(Date.now() - 13 * 3_600_000);
    await utimes(path, old, old);
    t.same(await put(), { ...first, created: false });
    t.ok(Date.now() - (await stat(path)).mtimeMs < 600_000, 'young again');
    await utimes(path, old, old);
    const failed = put(2_000);
    failed.catch(() => {});
    while (Date.now() - (await stat(path)).mtimeMs > 600_000) await sleep(10);
    await rm(path);
    await t.rejects(failed, refusal('temporary'));
    t.match(await put(), { created: true });
  },
);
