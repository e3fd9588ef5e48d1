/** `s3-clean` on more objects and more unfinished uploads than one request lists or removes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { demandCode, run } from '../support/program.js';
import { S3Scratch } from '../support/s3-scratch.js';
import { jsonLines } from '../support/json-lines.js';

const MANY = 2_100;
t.setTimeout(1_200_000);
const s3 = await S3Scratch.open(60_000);
const dir = await mkdtemp(join(tmpdir(), 's3-clean-'));
t.teardown(async () => {
  await s3.close();
  await rm(dir, { recursive: true, force: true });
});
const env = { ...s3.env, TABLEPIPE_WM_STORE: `file://${dir}/wm/` };

/** `count` requests, thirty at once. */
async function many(count: number, request: (name: string) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await request(String(next++).padStart(16, '0'));
  };
  await Promise.all(Array.from({ length: 30 }, lane));
}

async function clean(...words: string[]): Promise<Record<string, unknown>[]> {
  const all = ['clean', s3.url, '--orphans', '--uploads', '--older-than', '0', '--force', ...words];
  const { stdout } = demandCode(await run('s3-clean', all, { env }));
  return jsonLines(stdout);
}

t.test(`${MANY} orphans and ${MANY} uploads, killed in the middle, and again`, async (t) => {
  const at = { Bucket: s3.bucket };
  await many(MANY, (name) =>
    s3.direct.send(new PutObjectCommand({ ...at, Key: `${s3.prefix}x-${name}.parquet`, Body: name })),
  );
  await many(MANY, (name) =>
    s3.direct.send(new CreateMultipartUploadCommand({ ...at, Key: `${s3.prefix}y-${name}.parquet` })),
  );
  t.match((await clean()).at(-1), { type: 'end', objects: 2 * MANY, dry_run: true });
  const around = { env: { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: 's3-clean.after-removal=kill@2' } };
  const words = ['clean', s3.url, '--orphans', '--uploads', '--older-than', '0', '--force', '--delete'];
  t.equal((await run('s3-clean', words, around)).signal, 'SIGKILL');
  const left = (await clean()).at(-1);
  t.equal(left?.objects, 2 * MANY - 2_000, 'two requests of a thousand were done');
  t.match((await clean('--delete')).at(-1), { objects: 2 * MANY - 2_000, dry_run: false });
  t.match((await clean('--delete')).at(-1), { objects: 0, noop: true });
});
