/** `s3-put` as its users run it: pipes, signals, full disks, bad words, and kills followed by the same line again. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import type { Receipt, ReceiptsEnd } from '../../src/receipt.js';
import { collected, demandCode, run, start } from '../support/program.js';
import { pipeline } from '../support/pipeline.js';
import { MIB, S3Scratch } from '../support/s3-scratch.js';
import { endRecord, parquetMembers, tarOf } from '../support/tar-of-parquet.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(290_000);
const s3 = await S3Scratch.open();
const dir = await mkdtemp(join(tmpdir(), 's3-put-'));
t.teardown(async () => {
  await s3.close();
  await rm(dir, { recursive: true, force: true });
});
const { env } = s3;
const files = parquetMembers(3);
const tar = await tarOf(files);
let folders = 0;
const folder = (): string => `${s3.url}${(folders += 1)}/`;
const lines = (stdout: Buffer): [...Receipt[], ReceiptsEnd] =>
  jsonLines(stdout) as unknown as [...Receipt[], ReceiptsEnd];

for (const [place, where] of Object.entries({ s3: folder, file: () => `file://${dir}/lake-${(folders += 1)}/` })) {
  t.test(`${place}: one receipt a member, in order, then the end; again the same`, async (t) => {
    const url = where();
    const first = demandCode(await run('s3-put', [url, '--run-id', 'r'], { env, stdin: tar }));
    const items = lines(first.stdout);
    t.equal(first.stderr, '', 'nothing but receipts: no notice of a package either');
    t.match(items, [
      ...files.map(({ name, bytes, rows, from, to }, seq) => ({
        type: 'object',
        v: 1,
        run_id: 'r',
        seq,
        table: 'shop.orders',
        url: url + name,
        bytes: bytes.length,
        rows,
        from,
        to,
        read: 'incremental',
        cursor_columns: ['id'],
      })),
      { type: 'end', status: 'complete', objects: 3, rows: 9, table: 'shop.orders', code: 0 },
    ]);
    const again = demandCode(await run('s3-put', [url, '--run-id', 'r'], { env, stdin: tar }));
    t.equal(String(again.stdout), String(first.stdout), 'byte for byte');
  });

  t.test(`${place}: members before a cut are kept, with an abort line and 82`, async (t) => {
    const url = where();
    const ended = demandCode(await run('s3-put', [url], { env, stdin: tar.subarray(0, tar.length - 3_000) }), 82);
    const items = lines(ended.stdout);
    t.ok(items.length > 1);
    t.match(items.at(-1), { type: 'end', status: 'aborted', code: 82, objects: items.length - 1 });
    for (const { url: at } of items.slice(0, -1) as Receipt[])
      t.ok(place === 'file' ? await readFile(at.slice(7)) : await s3.content(at.slice(`s3://${s3.bucket}/`.length)));
  });

  t.test(`${place}: the receipts are what wm advance takes, once`, async (t) => {
    const url = where();
    const store = `file://${dir}/wm-${(folders += 1)}/`;
    await writeFile(join(dir, 'in.tar'), tar);
    const line = `s3-put ${url} < ${join(dir, 'in.tar')} | wm advance shop.orders --store ${store}`;
    for (let times = 0; times < 2; times += 1) {
      const { code, stderr } = await pipeline(line, { env });
      t.equal(code, 0, stderr);
    }
    const { stdout } = demandCode(await run('wm', ['get', 'shop.orders', '--store', store], { env }));
    t.match(JSON.parse(String(stdout)), { cursor: ['9'], mysql_rows_extracted: 9, s3_file_count: 3 });
  });
}

t.test('an abort record passes its status on', async (t) => {
  const aborted = await tarOf(files.slice(0, 1), endRecord(files.slice(0, 1), { status: 'aborted', code: 75 }));
  const ended = await run('s3-put', [folder()], { env, stdin: aborted });
  t.equal(ended.code, 75);
  t.match(lines(ended.stdout).at(-1), { status: 'aborted', code: 75, objects: 1 });
});

t.test('killed at every failpoint, the same line again converges', async (t) => {
  const big = randomBytes(11 * MIB);
  await writeFile(join(dir, 'big'), big);
  for (const point of FAILPOINTS.filter((name) => name.startsWith('s3-put.'))) {
    const key = s3.key();
    const words = [`s3://${s3.bucket}/${key}`, '--allow-unterminated', '--part-size', '5MiB', '--run-id', 'r'];
    const killed = await run('s3-put', words, {
      env: { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: `${point}=kill` },
      stdin: big,
    });
    t.equal(killed.signal, 'SIGKILL', point);
    t.equal(String(killed.stdout), '', 'no receipt before its time');
    const visible = await s3.content(key);
    t.ok(visible === undefined || visible.equals(big), 'complete or absent');
    demandCode(await run('s3-put', words, { env, stdin: big }));
    t.ok((await s3.content(key))?.equals(big));
  }
});

for (const name of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${name} in the middle: dies by it within 5 s, nothing visible, no parts`, (t) => stopped(t, name));
}

async function stopped(t: Test, name: NodeJS.Signals): Promise<void> {
  const key = s3.key();
  const child = start('s3-put', [`s3://${s3.bucket}/${key}`, '--allow-unterminated', '--part-size', '5MiB'], { env });
  child.stdin?.on('error', () => {});
  child.stdin?.write(randomBytes(12 * MIB));
  s3.faults.clear();
  for (let tries = 0; tries < 500 && s3.faults.count('part') < 2; tries += 1) await sleep(20);
  const started = performance.now();
  child.kill(name);
  const [, signal] = (await once(child, 'close')) as [number, string];
  t.equal(signal, name);
  t.ok(performance.now() - started < 5_500);
  t.equal(await s3.content(key), undefined);
  t.notOk((await s3.uploads()).includes(key));
}

t.test('a reader that leaves is 141, silent', async (t) => {
  const many = await tarOf(parquetMembers(40));
  await writeFile(join(dir, 'many.tar'), many);
  const url = `file://${dir}/many/`;
  const line = `s3-put ${url} < ${join(dir, 'many.tar')} | head -1 > ${dir}/first`;
  const { stages, stderr } = await pipeline(line, { env });
  t.equal(stages[0], 141);
  t.equal(stderr, '');
  t.match(JSON.parse(await readFile(join(dir, 'first'), 'utf8')), { type: 'object', seq: 0 });
});

t.test('a full disk is 74 and leaves no file', async (t) => {
  await writeFile(join(dir, 'in.tar'), tar);
  const small = join(dir, 'small');
  await mkdir(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
  t.teardown(() => execFileSync('umount', [small]));
  const ended = await run('s3-put', [`file://${small}/x.bin`, '--allow-unterminated'], {
    env,
    stdin: randomBytes(3 * MIB),
  });
  t.equal(ended.code, 74, ended.stderr);
  t.match(ended.stderr, /ENOSPC/);
  t.same(await readdir(small), []);
  // One Parquet file for a folder waits in --temp-dir until its end gives it a name.
  const stdin = Buffer.concat([Buffer.from('PAR1'), randomBytes(20 * MIB)]);
  const spooled = await run('s3-put', [`file://${dir}/spooled/`, '--temp-dir', small], { env, stdin });
  t.equal(spooled.code, 74, spooled.stderr);
  t.match(spooled.stderr, /ENOSPC/);
  t.same(await readdir(small), []);
  const { code, stderr } = await pipeline(`s3-put file://${dir}/full/ < ${dir}/in.tar > /dev/full`, { env });
  t.equal(code, 74, stderr);
});

t.test('a receipt is written as soon as its object is there, not at the end', async (t) => {
  const child = start('s3-put', [`file://${dir}/flushed/`], { env });
  const ended = collected(child, 's3-put');
  const seen = once(child.stdout as NodeJS.ReadableStream, 'data');
  child.stdin?.write(tar.subarray(0, tar.length - 3_000));
  const [line] = (await seen) as [Buffer];
  t.match(JSON.parse(String(line).split('\n')[0] ?? ''), { type: 'object', seq: 0 });
  t.equal(child.exitCode, null, 'while the input is still open');
  child.stdin?.end(tar.subarray(tar.length - 3_000));
  t.equal((await ended).code, 0);
});

t.test('a slow reader of the receipts gets all of them', async (t) => {
  await writeFile(join(dir, 'many.tar'), await tarOf(parquetMembers(400, 1)));
  const line = `s3-put file://${dir}/slow/ < ${join(dir, 'many.tar')} | (sleep 2; while read -r line; do echo "$line"; done)`;
  const { code, stdout, stderr } = await pipeline(line, { env });
  t.equal(code, 0, stderr);
  t.same(
    lines(Buffer.from(stdout)).map((one) => ('seq' in one ? one.seq : one.objects)),
    Array.from({ length: 401 }, (_, index) => index),
  );
});

t.test('every flag reaches the store', async (t) => {
  s3.faults.clear();
  s3.faults.arm({ operation: 'put', fault: { status: 403, code: 'AccessDenied' } });
  const { AWS_ENDPOINT_URL: endpoint = '', ...rest } = env;
  const flags =
    '--sse aws:kms --sse-kms-key-id k1 --storage-class GLACIER_IR --tags a=1 --tags b=2=3 --checksum crc64nvme --path-style';
  const words = [
    `s3://${s3.bucket}/${s3.key()}`,
    '--allow-unterminated',
    '--endpoint-url',
    endpoint,
    ...flags.split(' '),
  ];
  const ended = await run('s3-put', words, { env: rest, stdin: 'x' });
  t.equal(ended.code, 77, ended.stderr);
  const [asked] = s3.faults.requests.filter(({ operation }) => operation === 'put');
  t.match(asked?.path, new RegExp(`^/${s3.bucket}/`));
  t.match(asked?.headers, {
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': 'k1',
    'x-amz-storage-class': 'GLACIER_IR',
    'x-amz-tagging': 'a=1&b=2%3D3',
    'x-amz-checksum-crc64nvme': /=$/,
  });
});

t.test('credentials are renewed in the middle; wrong and expired ones are 77, another region is 78', async (t) => {
  const { AWS_ACCESS_KEY_ID: AccessKeyId = '', AWS_SECRET_ACCESS_KEY: SecretAccessKey = '', ...rest } = env;
  let given = 0;
  // Credentials that last a minute: the client renews what ends within five.
  const giver = createServer((_, answer) => {
    given += 1;
    const Expiration = new Date(Date.now() + 60_000).toISOString();
    answer.end(JSON.stringify({ AccessKeyId, SecretAccessKey, Token: '', Expiration }));
  });
  await new Promise<void>((resolve) => giver.listen(0, '127.0.0.1', resolve));
  const { port } = giver.address() as AddressInfo;
  const around = { ...rest, AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/` };
  const words = (key: string): string[] => [`s3://${s3.bucket}/${key}`, '--allow-unterminated', '--part-size', '5MiB'];
  const big = randomBytes(11 * MIB);
  demandCode(await run('s3-put', words(s3.key()), { env: around, stdin: big }));
  t.ok(given > 1, `asked for ${given} times`);
  giver.closeAllConnections();
  giver.close();
  const headers = { 'x-amz-bucket-region': 'eu-west-3' };
  const cases: [
    Record<string, string>,
    { status: number; code: string; headers?: Record<string, string> } | undefined,
    number,
    RegExp,
  ][] = [
    [{ ...env, AWS_SECRET_ACCESS_KEY: 'wrong' }, undefined, 77, /SignatureDoesNotMatch/],
    [{ ...env, AWS_ACCESS_KEY_ID: 'nobody' }, undefined, 77, /InvalidAccessKeyId/],
    [env, { status: 400, code: 'ExpiredToken' }, 77, /expired/],
    [env, { status: 400, code: 'AuthorizationHeaderMalformed', headers }, 78, /eu-west-3/],
  ];
  for (const [environment, fault, code, says] of cases) {
    s3.faults.clear();
    if (fault) s3.faults.arm({ operation: 'put', fault });
    const ended = await run('s3-put', words(s3.key()), { env: environment, stdin: 'x' });
    t.equal(ended.code, code, ended.stderr);
    t.match(ended.stderr, says);
    t.notMatch(ended.stderr, 'wrong');
  }
});

t.test('too few file descriptors is 74, wherever they run out', async (t) => {
  await writeFile(join(dir, 'in.tar'), tar);
  for (const url of [`file://${dir}/few/`, folder()]) {
    const codes = new Set<number | null>();
    // With fewer than 25 Node cannot load the file that would say so.
    for (const limit of [25, 26, 28, 32]) {
      const line = `(ulimit -n ${limit}; exec s3-put ${url} --retry-max-time 1s) < ${join(dir, 'in.tar')}`;
      const { code, stderr } = await pipeline(line, { env });
      codes.add(code);
      t.match(stderr, code === 0 ? /^$/ : /EMFILE.*ulimit -n/);
    }
    t.ok(codes.has(74) && [...codes].every((code) => code === 0 || code === 74), `${url}: ${[...codes].join(' ')}`);
  }
});

t.test('bad input: each a status of its own, and nothing changed', async (t) => {
  const cases: [readonly string[], number, RegExp, (string | Buffer)?][] = [
    [[], 64, /no URL/],
    [['s3://b/x', 's3://b/y'], 64, /one URL/],
    [['ftp://x/'], 64, /expected s3:/],
    [['s3://Bad_Bucket/'], 64, /bucket name/],
    [['s3://lake/../x'], 64, /'\.\.'/],
    [[`${s3.url}x`], 64, /one name/],
    [[folder()], 64, /neither tar/, 'a,b\n1,2\n'],
    [[folder()], 64, /is a folder/, '{"a":1}\n'],
    [[folder(), '--part-size', '1MiB'], 64, /at least 5MiB/],
    [[folder(), '--checksum', 'md5'], 64, /expected one of/],
    [[folder(), '--tags', 'x'], 64, /KEY=VALUE/],
    [[folder(), '--concurency', '2'], 64, /--concurrency/],
    [['s3://no-such-bucket-here/x/'], 78, /no such bucket/],
    [['s3://lake/x/', '--endpoint-url', 'http://127.0.0.1:9', '--retry-max-time', '300ms'], 75, /no answer/],
    [[folder(), '--storage-class', 'NO_SUCH_CLASS'], 78, /InvalidArgument|InvalidStorageClass/],
  ];
  for (const [words, code, says, stdin = tar] of cases) {
    const ended = await run('s3-put', words, { env, stdin });
    t.equal(ended.code, code, `${words.join(' ')}: ${ended.stderr}`);
    t.match(ended.stderr, says);
  }
});
