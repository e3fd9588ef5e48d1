/**
 * What this toolkit needs of an S3 store, asked of the store the tests run against, before any other test leans on it.
 * A double says so in TABLEPIPE_TEST_S3_DOUBLE, and is not asked for the two things it is known not to do.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import t from 'tap';
import { connectS3 } from '../../src/connect/s3.js';
import { servers } from '../support/servers.js';

t.setTimeout(180_000);

const { aws } = servers();
const client = await connectS3(aws);
const Bucket = `conformance-${randomBytes(6).toString('hex')}`;
const double = process.env.TABLEPIPE_TEST_S3_DOUBLE ? 'the double does not do this' : false;
/** The smallest part S3 allows before the last one. */
const PART = randomBytes(5 << 20);

const put = (Key: string, Body: string | Buffer | Readable, more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const head = (Key: string) => client.send(new HeadObjectCommand({ Bucket, Key }));
const list = (Prefix: string) => client.send(new ListObjectsV2Command({ Bucket, Prefix }));

async function content(Key: string, Range?: string): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...(Range ? { Range } : {}) }));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

/** How a request ended: `OK`, or the error's name and HTTP status. */
async function outcome(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'OK';
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return `${name}/${$metadata?.httpStatusCode ?? 'no answer'}`;
  }
}

/** A body of unknown origin: a stream in two pieces. */
const streamed = (bytes: Buffer): Readable =>
  Readable.from([bytes.subarray(0, bytes.length / 3), bytes.subarray(bytes.length / 3)]);

const md5 = (bytes: Uint8Array | string): Buffer => createHash('md5').update(bytes).digest();

/** A whole multipart upload; `condition` goes with its end. */
async function multipart(
  Key: string,
  parts: (Buffer | string)[],
  condition: { IfMatch?: string; IfNoneMatch?: string } = {},
  start: { Metadata?: Record<string, string>; ContentType?: string } = {},
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...start }));
  const Parts = [];
  for (const [at, Body] of parts.entries()) {
    const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: at + 1, Body }));
    Parts.push({ PartNumber: at + 1, ETag });
  }
  await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...condition }),
  );
}

t.before(() => client.send(new CreateBucketCommand({ Bucket })));
t.teardown(async () => {
  for (let left = 1; left > 0; ) {
    const { Contents = [] } = await list('');
    left = Contents.length;
    if (left > 0)
      await client.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key: Key ?? '' })) } }),
      );
  }
  // The double counts uploads that were refused as content.
  if (!double) await client.send(new DeleteBucketCommand({ Bucket }));
  client.destroy();
});

t.test('objects: what is put comes back, with its metadata and its MD5 as ETag', async (t) => {
  const Metadata = { 'run-id': '42', sha: 'abc' };
  await put('hello', 'hello', { ContentType: 'text/x-y', Metadata });
  t.match(await head('hello'), { ContentType: 'text/x-y', ContentLength: 5, Metadata });
  t.equal((await head('hello')).ETag, `"${md5('hello').toString('hex')}"`);
  await client.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'copy',
      CopySource: `${Bucket}/hello`,
      MetadataDirective: 'REPLACE',
      Metadata: { z: '1' },
    }),
  );
  t.same((await head('copy')).Metadata, { z: '1' });
});

t.test('streamed bodies with a checksum behind them arrive whole', async (t) => {
  const bytes = randomBytes(300_000);
  await put('streamed', streamed(bytes), { ContentLength: bytes.length });
  t.ok((await content('streamed')).equals(bytes), 'the default checksum');
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA256'] as const) {
    await put(`streamed-${ChecksumAlgorithm}`, streamed(bytes), { ContentLength: bytes.length, ChecksumAlgorithm });
    t.ok((await content(`streamed-${ChecksumAlgorithm}`)).equals(bytes), ChecksumAlgorithm);
  }
});

t.test('a body that is not what its digest says is refused', async (t) => {
  const crc = put('digest', Buffer.from('abc'), { ChecksumAlgorithm: 'CRC32', ChecksumCRC32: 'AAAAAA==' });
  t.match(await outcome(crc), /^BadDigest|^Invalid|400$/, 'CRC32');
  t.match(
    await outcome(put('digest', Buffer.from('abc'), { ContentMD5: md5('zzz').toString('base64') })),
    /400$/,
    'MD5',
  );
  t.equal(await outcome(head('digest')), 'NotFound/404', 'nothing was created');
});

t.test('any key: spaces, plus, percent, other alphabets', async (t) => {
  for (const key of ['ü/é space+plus&amp=1.txt', 'a=b/c%20d', '2024-01-01 00:00:00.000001']) {
    await put(key, 'x');
    t.same(
      (await list(key)).Contents?.map(({ Key }) => Key),
      [key],
    );
    t.equal(String(await content(key)), 'x');
  }
});

t.test('lists: pages, delimiter, a place to start after', async (t) => {
  const keys = Array.from({ length: 8 }, (_, at) => `page/00${at}`);
  for (const key of keys) await put(key, 'x');
  const found: (string | undefined)[] = [];
  let pages = 0;
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix: 'page/',
        MaxKeys: 3,
        ...(ContinuationToken ? { ContinuationToken } : {}),
      }),
    );
    found.push(...(page.Contents ?? []).map(({ Key }) => Key));
    ContinuationToken = page.NextContinuationToken;
    pages += 1;
  } while (ContinuationToken && pages < 10);
  t.same([found, pages], [keys, 3]);
  const { CommonPrefixes } = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/', Prefix: 'pag' }));
  t.same(
    CommonPrefixes?.map(({ Prefix }) => Prefix),
    ['page/'],
  );
  const after = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'page/', StartAfter: 'page/005' }));
  t.same(
    after.Contents?.map(({ Key }) => Key),
    ['page/006', 'page/007'],
  );
  const Objects = ['page/000', 'page/001', 'page/none'].map((Key) => ({ Key }));
  t.same((await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))).Errors ?? [], []);
  t.equal((await list('page/')).KeyCount, 6);
});

t.test('reads: ranges, conditions, and what is not there', async (t) => {
  await put('ranges', 'hello');
  const middle = await client.send(new GetObjectCommand({ Bucket, Key: 'ranges', Range: 'bytes=1-3' }));
  t.same([await middle.Body?.transformToString(), middle.ContentRange], ['ell', 'bytes 1-3/5']);
  t.equal(String(await content('ranges', 'bytes=-2')), 'lo', 'the end');
  t.match(await outcome(content('ranges', 'bytes=100-200')), /416$/, 'past the end');
  const { ETag } = await head('ranges');
  const get = (condition: object) => client.send(new GetObjectCommand({ Bucket, Key: 'ranges', ...condition }));
  t.match(await outcome(get({ IfNoneMatch: ETag })), /304$/);
  t.match(await outcome(get({ IfMatch: '"00"' })), /412$/);
  t.equal(await outcome(content('absent')), 'NoSuchKey/404');
  t.equal(await outcome(head('absent')), 'NotFound/404');
  t.equal(await outcome(client.send(new ListObjectsV2Command({ Bucket: `${Bucket}-absent` }))), 'NoSuchBucket/404');
});

t.test('conditional writes: created once, replaced only when it is the expected one', async (t) => {
  await put('once', 'first');
  t.equal(await outcome(put('once', 'second', { IfNoneMatch: '*' })), 'PreconditionFailed/412');
  t.equal(String(await content('once')), 'first');
  t.equal(await outcome(put('fresh', 'n', { IfNoneMatch: '*' })), 'OK');
  const { ETag = '' } = await head('once');
  t.equal(await outcome(put('once', 'second', { IfMatch: ETag })), 'OK');
  t.equal(await outcome(put('once', 'third', { IfMatch: ETag })), 'PreconditionFailed/412', 'the ETag of before');
  t.equal(await outcome(put('absent', 'x', { IfMatch: '"abc"' })), 'NoSuchKey/404');
});

t.test('of ten writers at once that create one key, one wins', async (t) => {
  for (const round of [1, 2, 3, 4, 5]) {
    const writers = Array.from({ length: 10 }, (_, at) => put(`race-${round}`, `writer ${at}`, { IfNoneMatch: '*' }));
    const ends = await Promise.all(writers.map(outcome));
    t.equal(ends.filter((end) => end === 'OK').length, 1, ends.join(' '));
  }
});

t.test('multipart: content, metadata, and the ETag of ETags', async (t) => {
  await multipart('parts', [PART, 'tail'], {}, { Metadata: { k: 'v' }, ContentType: 'application/x-t' });
  const ContentLength = PART.length + 4;
  const ETag = `"${md5(Buffer.concat([md5(PART), md5('tail')])).toString('hex')}-2"`;
  t.match(await head('parts'), { ContentLength, ETag, Metadata: { k: 'v' }, ContentType: 'application/x-t' });
  t.ok((await content('parts')).equals(Buffer.concat([PART, Buffer.from('tail')])));
});

t.test('multipart: parts and uploads are listed, an aborted upload is gone', async (t) => {
  const Key = 'aborted';
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: PART }));
  await t.test('the lists', { skip: double }, async (t) => {
    const { Parts } = await client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    t.match(Parts, [{ PartNumber: 1, Size: PART.length }]);
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    t.match(Uploads, [{ Key, UploadId }]);
  });
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  const late = client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 2, Body: 'x' }));
  t.match(await outcome(late), /^NoSuchUpload/);
  t.equal(await outcome(head(Key)), 'NotFound/404', 'nothing is visible');
});

t.test('multipart: a wrong ETag and a part that is too small are refused', async (t) => {
  const Key = 'refused';
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: PART }));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: `"${'0'.repeat(32)}"` }] };
  const complete = client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }));
  t.match(await outcome(complete), /^InvalidPart/);
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  t.match(await outcome(multipart('small', ['x', 'y'])), /^EntityTooSmall/);
});

t.test('multipart: the end obeys conditions as a put does', async (t) => {
  await multipart('ended', [PART, 'tail']);
  t.equal(await outcome(multipart('ended', ['small'], { IfNoneMatch: '*' })), 'PreconditionFailed/412');
  t.equal((await head('ended')).ContentLength, PART.length + 4, 'untouched');
  t.equal(await outcome(multipart('ended', ['small'], { IfMatch: '"00"' })), 'PreconditionFailed/412');
  const { ETag = '' } = await head('ended');
  t.equal(await outcome(multipart('ended', ['small'], { IfMatch: ETag })), 'OK');
});

t.test('lib-storage uploads a stream of unknown length', async (t) => {
  const bytes = randomBytes(12 << 20);
  const pieces = Array.from({ length: bytes.length >> 16 }, (_, at) => bytes.subarray(at << 16, (at + 1) << 16));
  const upload = new Upload({
    client,
    params: { Bucket, Key: 'streamed-upload', Body: Readable.from(pieces) },
    partSize: 5 << 20,
    queueSize: 3,
  });
  await upload.done();
  t.ok((await content('streamed-upload')).equals(bytes));
});

t.test('a wrong secret is refused', { skip: double }, async (t) => {
  const stranger = await connectS3(aws);
  stranger.config.credentials = async () => ({ accessKeyId: aws.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: 'wrong' });
  t.match(await outcome(stranger.send(new ListObjectsV2Command({ Bucket }))), /403$/);
  stranger.destroy();
});

t.test('a reader sees the old object or the new one, never both', async (t) => {
  const versions = ['x', 'y'].map((letter) => Buffer.alloc(2 << 20, letter));
  await put('replaced', versions[0] as Buffer);
  const write = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn += 1) await put('replaced', versions[turn % 2] as Buffer);
  };
  const read = async (): Promise<number> => {
    let whole = 0;
    for (let turn = 0; turn < 20; turn += 1) {
      const seen = await content('replaced');
      whole += versions.some((version) => version.equals(seen)) ? 1 : 0;
    }
    return whole;
  };
  const [, whole] = await Promise.all([write(), read()]);
  t.equal(whole, 20);
});
