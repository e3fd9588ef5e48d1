/** The sink of S3 objects on a real store: what it promises, and where @aws-sdk/lib-storage would not keep it. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Upload } from '@aws-sdk/lib-storage';
import t from 'tap';
import { Failure } from '../../src/errors.js';
import { PartSizes } from '../../src/sink/part-sizes.js';
import { Traffic } from '../../src/sink/traffic.js';
import { MIB, S3Scratch, chunksOf } from '../support/s3-scratch.js';

t.setTimeout(120_000);
const s3 = await S3Scratch.open(2_000);
t.teardown(() => s3.close());
const { signal } = new AbortController();
// Twenty wait for it at once below; main() does the same for the programs.
setMaxListeners(0, signal);
const small = randomBytes(10_000);
const large = randomBytes(11 * MIB);
/** What a Failure of a kind looks like. */
const refusal = (kind: string) => ({ name: 'Failure', kind });

t.beforeEach(() => s3.faults.clear());

for (const [name, bytes] of Object.entries({ small, large })) {
  t.test(`${name}: a repeat sends nothing and gives the same receipt; other bytes are 73`, async (t) => {
    const key = s3.key();
    const first = await s3.sink(key)(chunksOf(bytes), signal);
    t.match(first, { created: true, bytes: bytes.length });
    const modified = (await s3.head(key)).LastModified;
    s3.faults.clear();
    const second = await s3.sink(key)(chunksOf(bytes), signal);
    t.same(second, { ...first, created: false });
    t.equal(s3.faults.count('part'), 0, 'an object that is there is compared, not sent');
    t.same((await s3.head(key)).LastModified, modified);
    const other = Buffer.from(bytes);
    other[100] = (other[100] ?? 0) ^ 1;
    await t.rejects(s3.sink(key)(chunksOf(other), signal), refusal('cannot-create'));
    await t.rejects(s3.sink(key)(chunksOf(bytes.subarray(1)), signal), refusal('cannot-create'));
    t.ok((await s3.content(key))?.equals(bytes), 'and it is as it was');
    t.same(await s3.uploads(), []);
  });
}

t.test('two writers of one name: one creates, the other finds it', async (t) => {
  const key = s3.key();
  const both = await Promise.all([1, 2].map(() => s3.sink(key)(chunksOf(large), signal)));
  t.equal(both.filter(({ created }) => created).length, 1);
  t.equal(both[0]?.etag, both[1]?.etag);
  t.same(await s3.uploads(), []);
});

t.test(
  'nothing is visible and no part left when the input breaks, at the start, in a part, between parts',
  async (t) => {
    for (const at of [0, 1, 5 * MIB, 7 * MIB, 10 * MIB, large.length]) {
      const key = s3.key();
      const broken = async function* (): AsyncGenerator<Uint8Array> {
        yield* chunksOf(large.subarray(0, at));
        throw new Error('broke');
      };
      await t.rejects(s3.sink(key)(broken(), signal), { message: 'broke' });
      t.equal(await s3.content(key), undefined);
    }
    t.same(await s3.uploads(), []);
  },
);

t.test('a signal ends an upload whose input is silent, within 5 s, and removes its parts', async (t) => {
  const controller = new AbortController();
  const key = s3.key();
  const silent = async function* (): AsyncGenerator<Uint8Array> {
    yield* chunksOf(large);
    await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
  };
  const stored = s3.sink(key)(silent(), controller.signal);
  stored.catch(() => {});
  while (s3.faults.count('part') < 2) await sleep(20);
  const started = performance.now();
  controller.abort(new Failure('truncated', 'stopped'));
  await t.rejects(stored, { message: 'stopped' });
  t.ok(performance.now() - started < 5_000);
  t.same(await s3.uploads(), []);
});

t.test('the same with lib-storage: its abort leaves the upload behind, which is why it is not used', async (t) => {
  const { PassThrough } = await import('node:stream');
  const body = new PassThrough();
  const key = s3.key();
  const upload = new Upload({
    client: s3.direct,
    params: { Bucket: s3.bucket, Key: key, Body: body },
    partSize: 5 * MIB,
    queueSize: 2,
  });
  const done = upload.done();
  done.catch(() => {});
  for await (const chunk of chunksOf(large))
    if (!body.write(chunk)) await new Promise((resolve) => body.once('drain', resolve));
  for (let tries = 0; tries < 200 && (await s3.uploads()).length === 0; tries += 1) await sleep(20);
  await upload.abort();
  await t.rejects(done);
  t.same(await s3.uploads(), [key]);
  const { AbortMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  await s3.direct.send(new AbortMultipartUploadCommand({ Bucket: s3.bucket, Key: key, UploadId: upload.uploadId }));
});

t.test('an announced size is demanded', async (t) => {
  for (const bytes of [small.length - 1, small.length + 1]) {
    const key = s3.key();
    await t.rejects(s3.sink(key, { bytes })(chunksOf(small), signal), refusal('data'));
    t.equal(await s3.content(key), undefined);
  }
});

t.test('a part that fails for good fails the object, with what failed', async (t) => {
  s3.faults.clear();
  s3.faults.arm({ operation: 'part', fault: { status: 403, code: 'AccessDenied' }, times: 100 });
  const key = s3.key();
  await t.rejects(s3.sink(key)(chunksOf(large), signal), { kind: 'denied', message: /uploading part/ });
  s3.faults.clear();
  s3.faults.arm({ operation: 'part', fault: 500, times: 1_000 });
  await t.rejects(s3.sink(key, { retryMs: 300 })(chunksOf(large), signal), refusal('temporary'));
  t.equal(await s3.content(key), undefined);
  t.same(await s3.uploads(), []);
});

t.test('a Complete that is refused: 409 is tried again, a lost upload is 75, expired credentials are 77', async (t) => {
  const key = s3.key();
  s3.faults.clear();
  s3.faults.arm({ operation: 'complete', fault: { status: 409, code: 'ConditionalRequestConflict' }, times: 2 });
  t.match(await s3.sink(key)(chunksOf(large), signal), { created: true });
  for (const [status, code, kind] of [
    [404, 'NoSuchUpload', 'temporary'],
    [400, 'ExpiredToken', 'denied'],
    [400, 'InvalidStorageClass', 'config'],
  ] as const) {
    s3.faults.clear();
    s3.faults.arm({ operation: 'complete', fault: { status, code }, times: 100 });
    await t.rejects(s3.sink(s3.key(), { retryMs: 500 })(chunksOf(large), signal), refusal(kind), code);
  }
  t.same(await s3.uploads(), []);
});

t.test('a store that never heard of CRC-32 gets Content-MD5, with auto; a required checksum is an error', async (t) => {
  for (const bytes of [small, large]) {
    const operation = bytes === small ? 'put' : 'create';
    s3.faults.clear();
    s3.faults.arm({ operation, fault: { status: 501, code: 'NotImplemented' }, times: 1 });
    const key = s3.key();
    t.match(await s3.sink(key)(chunksOf(bytes), signal), { created: true });
    t.equal(s3.faults.fired(), 1);
    t.equal((await s3.head(key)).ChecksumCRC32, undefined);
    t.match(await s3.sink(key)(chunksOf(bytes), signal), { created: false }, 'compared by its bytes');
  }
  s3.faults.clear();
  s3.faults.arm({ operation: 'put', fault: { status: 501, code: 'NotImplemented' }, times: 1 });
  await t.rejects(s3.sink(s3.key(), { checksum: 'crc32' })(chunksOf(small), signal), refusal('config'));
});

t.test('every checksum mode arrives', async (t) => {
  for (const checksum of ['auto', 'crc32', 'crc64nvme', 'none'] as const) {
    const key = s3.key();
    t.match(await s3.sink(key, { checksum })(chunksOf(large), signal), { created: true }, checksum);
    const head = await s3.head(key);
    t.equal(head.ChecksumCRC32 !== undefined, checksum === 'auto' || checksum === 'crc32');
    t.ok((await s3.content(key))?.equals(large));
  }
});

t.test('requests and memory stay within their bounds, and 503 halves the requests', async (t) => {
  const traffic = s3.traffic({ concurrency: 4 });
  t.equal(traffic.limit, 4);
  traffic.throttled();
  t.equal(traffic.limit, 2);
  traffic.throttled();
  traffic.throttled();
  t.equal(traffic.limit, 1);
  for (let count = 0; count < 30; count += 1) await traffic.slot(async () => {}, signal);
  t.equal(traffic.limit, 4, 'ten successes allow one more');
  s3.faults.clear();
  await s3.sink(s3.key(), { concurrency: 2 })(chunksOf(randomBytes(32 * MIB)), signal);
  t.ok(s3.faults.peak() <= 2, `${s3.faults.peak()} at once`);
});

t.test('a buffer is waited for, and a slot: nobody takes more than there is', async (t) => {
  const traffic = new Traffic({ concurrency: 2, partBytes: 100, bytesPerSecond: undefined });
  const held = [
    await traffic.buffers.take(100, signal),
    await traffic.buffers.take(100, signal),
    await traffic.buffers.take(100, signal),
  ];
  let got = false;
  const waiting = traffic.buffers.take(100, signal).then(() => (got = true));
  await sleep(5);
  t.notOk(got);
  if (held[0]) traffic.buffers.give(held[0]);
  await waiting;
  t.ok(got);
  const controller = new AbortController();
  const given = traffic.buffers.take(100, controller.signal);
  controller.abort(new Error('enough'));
  await t.rejects(given, { message: 'enough' });
  await Promise.all(Array.from({ length: 20 }, () => traffic.slot(() => sleep(2), signal)));
  t.equal(traffic.peak, 2);
});

t.test('--bwlimit is kept', async (t) => {
  const started = performance.now();
  await s3.sink(s3.key(), { bytesPerSecond: 4 * MIB })(chunksOf(large.subarray(0, 6 * MIB)), signal);
  t.ok(performance.now() - started > 1_300, 'six MiB at four a second');
});

t.test('parts grow so that 10,000 are enough for 5 TiB, and more is refused', async (t) => {
  const known = new PartSizes(16 * MIB, 5 * 2 ** 40);
  let parts = 0;
  for (let total = 0; total < 5 * 2 ** 40; parts += 1) total += known.next();
  t.ok(parts <= 10_000, `${parts} parts of a known size`);
  const unknown = new PartSizes(16 * MIB, undefined);
  let count = 0;
  let total = 0;
  const kind = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      return (error as Failure).kind;
    }
  };
  const refused = kind(() => {
    for (;;) {
      total += unknown.next();
      count += 1;
    }
  });
  t.equal(refused, 'data');
  t.ok(total > 4.99 * 2 ** 40 && count <= 10_000, `${count} parts hold ${total} bytes`);
  t.equal(
    kind(() => new PartSizes(16 * MIB, 6 * 2 ** 40)),
    'data',
  );
});
