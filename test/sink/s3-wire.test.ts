/**
 * What goes over the wire to a store, and what its answers are taken for: headers of the options, checksums, pace,
 * fewer requests after a 503, rights that are missing, regions, buckets of every kind.
 */
import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3';
import t from 'tap';
import { connectS3 } from '../../src/connect/s3.js';
import { Checksums } from '../../src/sink/checksums.js';
import { s3Object } from '../../src/sink/s3-object.js';
import { S3Requests } from '../../src/sink/s3-requests.js';
import { Pace } from '../../src/sink/pace.js';
import { MIB, S3Scratch, chunksOf } from '../support/s3-scratch.js';

t.setTimeout(240_000);
const s3 = await S3Scratch.open(10_000);
t.teardown(() => s3.close());
const { signal } = new AbortController();
const small = randomBytes(10_000);
const large = randomBytes(6 * MIB);
const DENIED = { status: 403, code: 'AccessDenied' };

t.beforeEach(() => s3.faults.clear());

t.test('storage class, encryption, key and tags go with the object, whole and in parts', async (t) => {
  const options = { storageClass: 'STANDARD_IA', sse: 'aws:kms', kmsKeyId: 'key-1', tags: 'a=1&b=x%20y' };
  for (const [operation, bytes] of [
    ['put', small],
    ['create', large],
  ] as const) {
    s3.faults.clear();
    // This store has neither key nor class: it is not asked.
    s3.faults.arm({ operation, fault: DENIED });
    await t.rejects(s3.sink(s3.key(), options)(chunksOf(bytes), signal), { name: 'Failure', kind: 'denied' });
    t.match(s3.faults.requests.find((one) => one.operation === operation)?.headers, {
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
      'x-amz-tagging': 'a=1&b=x%20y',
    });
  }
});

t.test('encryption and classes on this very store: what it has is recorded, for the rest it is 78', async (t) => {
  for (const options of [{ sse: 'AES256' }, { sse: 'aws:kms', kmsKeyId: 'k' }, { storageClass: 'STANDARD_IA' }]) {
    for (const bytes of [small, large]) {
      const key = s3.key();
      const done = await s3
        .sink(key, options)(chunksOf(bytes), signal)
        .catch((error: unknown) => error);
      if (done instanceof Error) t.match(done, { name: 'Failure', kind: 'config' }, JSON.stringify(options));
      else {
        const { ServerSideEncryption: sse, StorageClass: storageClass } = await s3.head(key);
        t.match({ sse, storageClass }, 'sse' in options ? { sse: options.sse } : options);
      }
    }
  }
});

t.test('the store keeps the tags', async (t) => {
  for (const bytes of [small, large]) {
    const Key = s3.key();
    await s3.sink(Key, { tags: 'team=data&note=x%20y', storageClass: 'STANDARD' })(chunksOf(bytes), signal);
    const { TagSet } = await s3.direct.send(new GetObjectTaggingCommand({ Bucket: s3.bucket, Key }));
    t.same(
      TagSet?.sort((a, b) => ((a.Key ?? '') < (b.Key ?? '') ? -1 : 1)),
      [
        { Key: 'note', Value: 'x y' },
        { Key: 'team', Value: 'data' },
      ],
    );
  }
});

t.test('checksums are headers of every body, never trailers of a chunked one', async (t) => {
  const names = { auto: 'x-amz-checksum-crc32', crc32: 'x-amz-checksum-crc32', crc64nvme: 'x-amz-checksum-crc64nvme' };
  for (const checksum of ['auto', 'crc32', 'crc64nvme', 'none'] as const) {
    for (const bytes of [small, large]) {
      s3.faults.clear();
      await s3.sink(s3.key(), { checksum })(chunksOf(bytes), signal);
      const bodies = s3.faults.requests.filter(({ operation }) => operation === 'put' || operation === 'part');
      t.ok(bodies.length > 0);
      for (const { headers } of bodies) {
        const sent = Object.keys(headers).filter((name) => name.startsWith('x-amz-checksum-'));
        t.same(sent, checksum === 'none' ? [] : [names[checksum]], checksum);
        t.equal(headers['x-amz-trailer'], undefined);
        t.notMatch(headers['content-encoding'] ?? '', 'aws-chunked');
        t.equal(headers['content-md5'], undefined);
      }
      const last = s3.faults.requests.find(({ operation }) => operation === 'put' || operation === 'complete');
      t.equal(last?.headers['if-none-match'], '*', 'created only if absent');
    }
  }
});

t.test('the ways stores refuse checksums: auto goes on with Content-MD5, for every later request', async (t) => {
  for (const [status, code] of [
    [501, 'NotImplemented'],
    [400, 'NotImplemented'],
  ] as const) {
    s3.faults.clear();
    s3.faults.arm({ operation: 'create', fault: { status, code } });
    const key = s3.key();
    t.match(await s3.sink(key)(chunksOf(large), signal), { created: true });
    const parts = s3.faults.requests.filter(({ operation }) => operation === 'part');
    t.ok(parts.every(({ headers }) => headers['content-md5'] && !headers['x-amz-checksum-crc32']));
    t.ok((await s3.content(key))?.equals(large));
  }
});

t.test('the bucket is in the path at an endpoint of its own, and in the host name on AWS or when asked', async (t) => {
  // The client looks there as well.
  const { AWS_ENDPOINT_URL: own = '' } = process.env;
  delete process.env.AWS_ENDPOINT_URL;
  t.teardown(() => (process.env.AWS_ENDPOINT_URL = own));
  const asked = async (settings: object): Promise<string> => {
    const client = await connectS3({ AWS_REGION: 'eu-west-1' }, settings);
    let seen = '';
    client.middlewareStack.add(
      () => async (args) => {
        const { hostname, path } = args.request as { hostname: string; path: string };
        seen = hostname + path;
        throw new Error('seen');
      },
      { step: 'finalizeRequest', priority: 'high' },
    );
    await client.send(new HeadBucketCommand({ Bucket: 'lake' })).catch(() => {});
    return seen;
  };
  t.equal(await asked({}), 'lake.s3.eu-west-1.amazonaws.com/');
  t.equal(await asked({ pathStyle: true }), 's3.eu-west-1.amazonaws.com/lake/');
  t.equal(await asked({ endpoint: 'https://minio.example:9000' }), 'minio.example/lake/');
  t.equal(await asked({ endpoint: 'https://minio.example:9000', pathStyle: false }), 'lake.minio.example/');
});

t.test('the pace is kept to within a tenth, also at a speed of many slices a millisecond', async (t) => {
  for (const bytesPerSecond of [200_000, 64 * MIB]) {
    const pace = new Pace(bytesPerSecond);
    const slice = 16_384;
    const slices = Math.ceil((bytesPerSecond * 1.5) / slice);
    const started = performance.now();
    let left = slices;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await pace.wait(slice, signal);
    };
    await Promise.all([lane(), lane(), lane(), lane()]);
    const rate = (slices * slice) / ((performance.now() - started) / 1000);
    // The first slice of each lane is free.
    t.ok(rate < bytesPerSecond * 1.1 + (4 * slice) / 1.5, `${Math.round(rate)} of ${bytesPerSecond} bytes a second`);
    t.ok(rate > bytesPerSecond * 0.8, `${Math.round(rate)} of ${bytesPerSecond} bytes a second`);
  }
});

t.test('a store that says 503 gets half as many requests, and later as many as before', async (t) => {
  const traffic = s3.traffic({ concurrency: 4 });
  s3.faults.arm({ operation: 'part', fault: 503, times: 1 });
  let least = 4;
  const watch = setInterval(() => (least = Math.min(least, traffic.limit)), 1);
  const body = randomBytes(5 * MIB);
  const input = async function* (): AsyncGenerator<Uint8Array> {
    for (let part = 0; part < 24; part += 1) yield body;
  };
  t.match(await s3.sink(s3.key(), { traffic })(input(), signal), { created: true });
  clearInterval(watch);
  t.equal(s3.faults.fired(), 1);
  t.equal(least, 2, 'halved');
  t.equal(traffic.limit, 4, 'twenty requests later as before');
});

t.test('a right that is missing is named with the object it is missing on', async (t) => {
  const arn = `arn:aws:s3:::${s3.bucket}/`;
  for (const [operation, bytes, action] of [
    ['put', small, 's3:PutObject'],
    ['create', large, 's3:PutObject'],
    ['part', large, 's3:PutObject'],
    ['head', large, 's3:GetObject'],
  ] as const) {
    s3.faults.clear();
    s3.faults.arm({ operation, fault: DENIED, times: 9 });
    const failed = s3.sink(s3.key())(chunksOf(bytes), signal);
    await t.rejects(failed, { name: 'Failure', kind: 'denied', hint: new RegExp(`${action}.*${arn}`) }, operation);
  }
  // Nobody may abort: the parts stay for s3-clean, and the failure is the one that came first.
  const left: string[] = [];
  s3.faults.clear();
  s3.faults.arm({ operation: 'part', fault: { status: 400, code: 'ExpiredToken' }, times: 9 });
  s3.faults.arm({ operation: 'abort', fault: DENIED, times: 9 });
  const key = s3.key();
  const failed = s3.sink(key, { onLeft: (url) => left.push(url) })(chunksOf(large), signal);
  await t.rejects(failed, { name: 'Failure', kind: 'denied', message: /expired/ });
  t.same(left, [`s3://${s3.bucket}/${key}`]);
});

t.test('another region: 78 with its name, from whatever part of the answer it is in', async (t) => {
  const headers = { 'x-amz-bucket-region': 'eu-central-1' };
  for (const [operation, bytes, fault] of [
    ['put', small, { status: 301, code: 'PermanentRedirect', headers }],
    ['put', small, { status: 400, code: 'AuthorizationHeaderMalformed', headers }],
    ['head', large, { status: 400, code: 'BadRequest', headers }],
    ['head', large, { status: 301, code: 'PermanentRedirect', headers }],
  ] as const) {
    s3.faults.clear();
    s3.faults.arm({ operation, fault });
    const failed = s3.sink(s3.key())(chunksOf(bytes), signal);
    await t.rejects(failed, {
      name: 'Failure',
      kind: 'config',
      message: /in the region eu-central-1/,
      hint: /AWS_REGION=eu-central-1/,
    });
  }
});

/** The sink of a bucket of one's own. */
const into = (Bucket: string, key: string) => {
  const traffic = s3.traffic({ concurrency: 2 });
  const options = { storageClass: undefined, sse: undefined, kmsKeyId: undefined, tags: undefined };
  const requests = new S3Requests(s3.client, { bucket: Bucket, key }, options, new Checksums('auto'), traffic);
  return s3Object(requests, traffic, { partBytes: 5 * MIB, bytes: undefined, retryMs: 5_000 });
};

t.test('a bucket with versions and object lock takes objects, and keeps one version of a repeat', async (t) => {
  const Bucket = `locked-${randomBytes(6).toString('hex')}`;
  await s3.direct.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  for (const [key, bytes] of Object.entries({ small, large })) {
    t.match(await into(Bucket, key)(chunksOf(bytes), signal), { created: true });
    t.match(await into(Bucket, key)(chunksOf(bytes), signal), { created: false });
  }
  const { Versions = [] } = await s3.direct.send(new ListObjectVersionsCommand({ Bucket }));
  t.equal(Versions.length, 2);
  for (const { Key, VersionId } of Versions) {
    await s3.direct.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  }
  await s3.direct.send(new DeleteBucketCommand({ Bucket }));
});

t.test('a store that does not stop talking is 76, in bounded memory', async (t) => {
  const answers: Record<string, (outgoing: ServerResponse) => void> = {
    'an endless error': (outgoing) => {
      outgoing.writeHead(403, { 'content-type': 'application/xml' });
      const chunk = Buffer.alloc(65_536, 'x');
      const more = (): void => void (outgoing.destroyed || outgoing.write(chunk, more));
      more();
    },
    'endless headers': (outgoing) => void outgoing.socket?.write(`HTTP/1.1 403 No\r\n${'x-a: b\r\n'.repeat(20_000)}`),
    'entities that grow': (outgoing) => {
      const entities = Array.from({ length: 12 }, (_, at) => `<!ENTITY e${at + 1} "${`&e${at};`.repeat(10)}">`).join(
        '',
      );
      outgoing.writeHead(418, { 'content-type': 'application/xml' });
      outgoing.end(`<!DOCTYPE x [<!ENTITY e0 "x">${entities}]><Error><Code>&e12;</Code></Error>`);
    },
  };
  for (const [what, answer] of Object.entries(answers)) {
    const server = createServer((incoming: IncomingMessage, outgoing) => {
      incoming.resume();
      incoming.on('end', () => answer(outgoing));
      outgoing.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = await connectS3(s3.env, { endpoint, checksums: 'required', idleMs: 5_000 });
    const traffic = s3.traffic();
    const options = { storageClass: undefined, sse: undefined, kmsKeyId: undefined, tags: undefined };
    const requests = new S3Requests(client, { bucket: 'lake', key: 'x' }, options, new Checksums('auto'), traffic);
    const before = process.memoryUsage().rss;
    const failed = s3Object(requests, traffic, { partBytes: 5 * MIB, bytes: undefined, retryMs: 2_000 });
    await t.rejects(failed(chunksOf(small), signal), { name: 'Failure', kind: 'protocol' }, what);
    t.ok(process.memoryUsage().rss - before < 64 * MIB, what);
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
});
