/** `s3-put`: bytes to objects; receipts on stdout. */
import { tmpdir } from 'node:os';
import type { Command, Invocation } from '../cli/command.js';
import { parseChoice, parseCount, parseDuration, parseSize } from '../cli/parse.js';
import type { Member } from '../codec/member.js';
import { Failure } from '../errors.js';
import { type Location, below, isFolder, locationText, parseLocation } from '../location.js';
import type { Sink } from '../stage.js';
import { namedByContent } from '../sink/named-by-content.js';
import type { Stored } from '../sink/stored.js';

const command: Command = {
  summary: 'upload tar members or one file; an object is complete or absent',
  usage: 'URL [flags]',
  examples: [
    'mysql-extract shop.orders --since "$(wm get shop.orders --format cursor)" | to-parquet --split-size 64MiB | s3-put s3://lake/incremental/ | wm advance shop.orders | rs-copy analytics.orders --from-store shop.orders',
    'mysql-extract shop.orders | to-parquet | s3-put s3://lake/orders.parquet',
    'to-parquet --split-rows 50000 < orders.arrow | s3-put file:///var/lake/orders/',
    'gzip < notes.csv | s3-put s3://lake/notes.csv.gz --allow-unterminated',
  ],
  flags: [
    {
      name: 'endpoint-url',
      value: 'URL',
      env: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
      help: 'S3 endpoint, for stores other than AWS',
    },
    { name: 'path-style', help: 'bucket in the path, not in the host name; implied by an endpoint of your own' },
    { name: 'virtual-host-style', help: 'bucket in the host name, also with an endpoint of your own' },
    { name: 'concurrency', value: 'N', default: '4', help: 'most requests at once' },
    { name: 'part-size', value: 'SIZE', default: '16MiB', help: 'first size of the parts; grows with the object' },
    { name: 'bwlimit', value: 'SIZE', help: 'most bytes a second, such as 20MiB' },
    {
      name: 'checksum',
      value: 'KIND',
      default: 'auto',
      help: 'auto, crc32, crc64nvme or none; the receipt has a CRC-32 anyway',
    },
    { name: 'storage-class', value: 'CLASS', help: 'such as STANDARD_IA' },
    { name: 'sse', value: 'KIND', help: 'AES256 or aws:kms' },
    { name: 'sse-kms-key-id', value: 'KEY', help: 'key for --sse aws:kms' },
    { name: 'tags', value: 'KEY=VALUE', many: true, help: 'a tag of each object' },
    { name: 'retry-max-time', value: 'TIME', default: '15m', help: 'how long one request is tried again' },
    { name: 'idle-timeout', value: 'TIME', default: '60s', help: 'longest silence of one connection' },
    {
      name: 'temp-dir',
      value: 'DIR',
      env: ['TMPDIR'],
      help: 'where a single file for a folder waits until its name is known',
    },
    { name: 'allow-unterminated', help: 'take the end of the input for granted where nothing in it proves it' },
  ],
  async run(invocation) {
    const { flags, runId, signal } = invocation;
    const [url, ...more] = invocation.operands;
    if (url === undefined || more.length > 0) {
      throw new Failure('usage', url ? `one URL expected, got ${invocation.operands.length}` : 'no URL given', {
        hint: 'Write: s3-put s3://bucket/prefix/ or s3-put file:///directory/.',
      });
    }
    const destination = parseLocation(url);
    const concurrency = parseCount(flags.text('concurrency') ?? '4', '--concurrency');
    const open = await opener(invocation, destination, concurrency);
    const [{ members }, { putMembers }, { stdout }, { stdinBytes }, { chain, runThrough }] = await Promise.all([
      import('../codec/members.js'),
      import('../sink/put-members.js'),
      import('../sink/stdout.js'),
      import('../source/stdin.js'),
      import('../stage.js'),
    ]);
    const tempDir = flags.text('temp-dir') ?? tmpdir();
    const allowUnterminated = flags.on('allow-unterminated');
    const codec = chain(
      (input: AsyncIterable<Uint8Array>) => members(input, { allowUnterminated }),
      putMembers({
        runId: flags.text('run-id'),
        ownRunId: runId,
        objects: concurrency,
        open: (member) => sinkOf(member, destination, open, tempDir),
      }),
    );
    await runThrough(stdinBytes('a tar of Parquet files, or one file,'), codec, stdout(), signal);
  },
};

export default command;

/** Where one member goes. A single file that is to get a name of its own waits on disk until its name is known. */
function sinkOf(member: Member, destination: Location, open: Open, tempDir: string): Sink<Uint8Array, Stored> {
  const { name, bytes } = member;
  const folder = isFolder(destination);
  if (name !== undefined) {
    if (folder) return open(bytes, below(destination, name));
    throw new Failure('usage', `a tar of files came in, and ${locationText(destination)} is one name`, {
      hint: 'End the URL in / to put each file below it.',
    });
  }
  if (!folder) return open(bytes, destination);
  if (!member.nameable) {
    throw new Failure('usage', `one file came in, and ${locationText(destination)} is a folder`, {
      hint: 'Name the object: s3-put s3://bucket/prefix/name. Only Parquet files can be named by their content.',
    });
  }
  return namedByContent(member, tempDir, (size, made) => open(size, below(destination, made)));
}

type Open = (bytes: number | undefined, at: Location) => Sink<Uint8Array, Stored>;

async function opener(invocation: Invocation, destination: Location, concurrency: number): Promise<Open> {
  if (destination.scheme === 'file') {
    const { fileObject } = await import('../sink/file-object.js');
    return (_, at) => fileObject((at as { path: string }).path);
  }
  return s3Opener(invocation, concurrency);
}

async function s3Opener({ flags, env, words }: Invocation, concurrency: number): Promise<Open> {
  const { CHECKSUM_MODES, Checksums } = await import('../sink/checksums.js');
  const { PART_LEAST } = await import('../sink/part-sizes.js');
  const mode = parseChoice(flags.text('checksum') ?? 'auto', '--checksum', CHECKSUM_MODES);
  const partBytes = parseSize(flags.text('part-size') ?? '16MiB', '--part-size');
  if (partBytes < PART_LEAST) throw new Failure('usage', '--part-size: at least 5MiB, S3 takes no smaller parts');
  const limit = flags.text('bwlimit');
  const retryMs = parseDuration(flags.text('retry-max-time') ?? '15m', '--retry-max-time');
  const idleMs = parseDuration(flags.text('idle-timeout') ?? '60s', '--idle-timeout');
  const options = {
    storageClass: flags.text('storage-class'),
    sse: flags.text('sse'),
    kmsKeyId: flags.text('sse-kms-key-id'),
    tags: tagText(flags.texts('tags')),
  };
  const [{ connectS3 }, { S3Requests }, { s3Object }, { Traffic }] = await Promise.all([
    import('../connect/s3.js'),
    import('../sink/s3-requests.js'),
    import('../sink/s3-object.js'),
    import('../sink/traffic.js'),
  ]);
  const endpoint = flags.text('endpoint-url');
  const style = flags.on('path-style') || !flags.on('virtual-host-style');
  const client = await connectS3(env, {
    checksums: 'required',
    idleMs,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(flags.on('path-style') || flags.on('virtual-host-style') ? { pathStyle: style } : {}),
  });
  const traffic = new Traffic({
    concurrency,
    partBytes,
    bytesPerSecond: limit === undefined ? undefined : parseSize(limit.replace(/\/s$/, ''), '--bwlimit'),
  });
  const checksums = new Checksums(mode, () => words.note('the store does not know CRC-32 headers; using Content-MD5'));
  let told = false;
  const onRetry = (error: unknown): void => {
    const text = `${(error as Error).message}; trying again`;
    if (told) words.detail(text);
    else words.note(`${text} for up to ${Math.ceil(retryMs / 1000)} s`);
    told = true;
  };
  const onLeft = (url: string, error: unknown): void =>
    words.warn(
      `the unfinished upload of ${url} could not be removed (${(error as Error).message}); see s3-clean --uploads`,
    );
  return (bytes, at) => {
    const { bucket, key } = at as { bucket: string; key: string };
    const requests = new S3Requests(client, { bucket, key }, options, checksums, traffic);
    return s3Object(requests, traffic, { partBytes, bytes, retryMs, onRetry, onLeft });
  };
}

/** At most ten tags, URL-encoded as S3 takes them. */
function tagText(tags: readonly string[]): string | undefined {
  if (tags.length > 10) throw new Failure('usage', '--tags: S3 takes at most 10');
  const pairs = tags.map((tag) => {
    const at = tag.indexOf('=');
    if (at < 1) throw new Failure('usage', `--tags ${tag}: expected KEY=VALUE`);
    return `${encodeURIComponent(tag.slice(0, at))}=${encodeURIComponent(tag.slice(at + 1))}`;
  });
  return pairs.length === 0 ? undefined : pairs.join('&');
}
