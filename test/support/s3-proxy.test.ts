/** The S3 proxy itself, before the real store: signatures hold through it, and each fault happens as often as it is armed. */
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import type { S3Fault } from './s3-proxy.js';
import { S3Scratch } from './s3-scratch.js';

t.setTimeout(60_000);
const s3 = await S3Scratch.open(500);
t.teardown(() => s3.close());
t.beforeEach(() => s3.faults.clear());

const put = (Key: string, Body = 'some text') => s3.client.send(new PutObjectCommand({ Bucket: s3.bucket, Key, Body }));
const get = async (Key: string): Promise<string | undefined> =>
  (await s3.client.send(new GetObjectCommand({ Bucket: s3.bucket, Key }))).Body?.transformToString();
/** The status or the code of the error a request ended with. */
const failed = async (work: Promise<unknown>): Promise<number | string> => {
  try {
    await work;
    return 'done';
  } catch (error) {
    const { $metadata, code, name } = error as { $metadata?: { httpStatusCode?: number }; code?: string; name: string };
    return $metadata?.httpStatusCode ?? code ?? name;
  }
};

t.test('without a fault: what was put is got, and the requests are told apart', async (t) => {
  const key = s3.key();
  await put(key);
  t.equal(await get(key), 'some text');
  t.same(await s3.keys(), [key], 'past the proxy');
  t.strictSame(
    s3.faults.requests.map(({ operation, method }) => `${operation} ${method}`),
    ['put PUT', 'get GET'],
  );
  t.equal(s3.faults.fired(), 0);
});

t.test('each fault of a write: what the client sees, and whether the store has acted', async (t) => {
  const cases: [S3Fault, number | string | RegExp, boolean][] = [
    [500, 500, false],
    [502, 502, false],
    [503, 503, false],
    [429, 429, false],
    ['request-timeout', 400, false],
    [{ status: 403, code: 'AccessDenied' }, 403, false],
    // The SDK calls it 503.
    ['error-in-200', 503, false],
    ['reset-before', 'ECONNRESET', false],
    ['reset-mid', 'ECONNRESET', false],
    ['hang', 'TimeoutError', false],
    // The signature covers the digest of the body.
    ['flip-bit', 400, false],
    ['reset-after', 'ECONNRESET', true],
    ['lose-answer', 'ECONNRESET', true],
    ['slow', 'TimeoutError', true],
    [{ delayMs: 20 }, 'done', true],
    [{ bytesPerSecond: 1_000 }, 'done', true],
    [{ dropHeader: 'user-agent' }, /done|403/, true],
  ];
  for (const [fault, says, acts] of cases) {
    s3.faults.clear();
    s3.faults.arm({ operation: 'put', fault });
    const [key, name] = [s3.key(), JSON.stringify(fault)];
    t.match(String(await failed(put(key))), says instanceof RegExp ? says : String(says), name);
    t.equal(s3.faults.fired(), 1);
    if (fault === 'slow') await new Promise((resolve) => setTimeout(resolve, 1_600));
    t.equal((await s3.content(key))?.toString(), acts ? 'some text' : undefined, `${name}: what the store has`);
    await put(key, 'and again');
    t.equal(s3.faults.fired(), 1, 'once');
  }
});

t.test('an answer that is cut, of a read', async (t) => {
  const key = s3.key();
  await put(key, 'x'.repeat(100_000));
  s3.faults.arm({ operation: 'get', fault: 'cut-answer' });
  t.not(await failed(get(key)), 'done');
  t.equal(s3.faults.fired(), 1);
});

t.test('how often, on which operation, on which path, and not while everything is let pass', async (t) => {
  const [one, other] = [s3.key(), s3.key()];
  s3.faults.arm({ operation: 'any', fault: 503, times: 2, path: new RegExp(one) });
  t.equal(await failed(put(other)), 'done');
  s3.faults.hold();
  t.equal(await failed(put(one)), 'done');
  s3.faults.resume();
  t.equal(await failed(put(one)), 503);
  t.equal(await failed(get(one)), 503);
  t.equal(await failed(get(one)), 'done');
  t.equal(s3.faults.fired(), 2);
  t.equal(s3.faults.count('put'), 3);
  t.ok(s3.faults.peak() >= 1);
  s3.faults.arm({ operation: 'get', fault: 500, times: 9 });
  s3.faults.clear();
  t.equal(await failed(get(one)), 'done', 'nothing is armed any more');
});
