/** `s3-clean`: what it calls things, and that it removes what it was told to and nothing else. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { demandCode, run } from '../support/program.js';
import { S3Scratch } from '../support/s3-scratch.js';
import { parquetMembers, tarOf } from '../support/tar-of-parquet.js';

t.setTimeout(120_000);
const s3 = await S3Scratch.open();
const dir = await mkdtemp(join(tmpdir(), 's3-clean-'));
t.teardown(async () => {
  await s3.close();
  await rm(dir, { recursive: true, force: true });
});
const NOW = ['--older-than', '0', '--force'];
let lakes = 0;

interface Lake {
  url: string;
  env: Record<string, string>;
  clean(...words: string[]): Promise<Record<string, unknown>[]>;
  states(): Promise<string[]>;
}

/** Two loaded objects, two stored ones, two orphans, something foreign, an unfinished upload. */
async function lake(): Promise<Lake> {
  lakes += 1;
  const url = `${s3.url}lake-${lakes}/`;
  const env = { ...s3.env, TABLEPIPE_WM_STORE: `file://${dir}/wm-${lakes}/` };
  const named = demandCode(await run('s3-put', [url], { env, stdin: await tarOf(parquetMembers(4)) }));
  demandCode(await run('wm', ['advance', 'shop.orders', '--flush-files', '1'], { env, stdin: named.stdout }));
  demandCode(await run('wm', ['loaded', 'shop.orders', '--generation', '2'], { env }));
  const orphans = await tarOf(parquetMembers(2, 3, 'shop.orders', 10));
  demandCode(await run('s3-put', [url], { env, stdin: orphans }));
  demandCode(await run('s3-put', [`${url}readme.txt`, '--allow-unterminated'], { env, stdin: 'hello' }));
  const Key = `${url.slice(`s3://${s3.bucket}/`.length)}unfinished.parquet`;
  await s3.direct.send(new CreateMultipartUploadCommand({ Bucket: s3.bucket, Key }));
  const parsed = (text: Buffer): Record<string, unknown>[] =>
    String(text)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    url,
    env,
    clean: async (...words) => parsed(demandCode(await run('s3-clean', ['clean', url, ...words], { env })).stdout),
    states: async () =>
      parsed(demandCode(await run('s3-clean', ['list', url], { env })).stdout)
        .map(({ state }) => String(state))
        .sort(),
  };
}

const ALL = ['foreign', 'loaded', 'loaded', 'orphan', 'orphan', 'stored', 'stored', 'upload'];

t.test('list names what each object is', async (t) => {
  t.same(await (await lake()).states(), ALL);
});

t.test('a plan by default; young objects stay; --delete removes what was chosen, and again nothing', async (t) => {
  const { clean, states } = await lake();
  const chosen = ['--orphans', '--uploads', '--loaded'];
  t.match(await clean(...chosen), [{ type: 'end', objects: 0, noop: true, dry_run: true }], 'all are younger than 7d');
  t.match((await clean(...chosen, ...NOW)).at(-1), { objects: 5, dry_run: true });
  t.match((await clean(...chosen, '--older-than', '1d', '--delete')).at(-1), { objects: 0 });
  t.same(await states(), ALL, 'a plan changes nothing');
  t.match((await clean('--orphans', '--uploads', ...NOW, '--delete')).at(-1), { objects: 3, dry_run: false });
  t.same(await states(), ['foreign', 'loaded', 'loaded', 'stored', 'stored']);
  t.match((await clean('--orphans', '--uploads', ...NOW, '--delete')).at(-1), { objects: 0, noop: true });
  t.match((await clean('--loaded', ...NOW, '--delete')).at(-1), { objects: 2 });
  t.match((await clean('--stored', ...NOW, '--delete')).at(-1), { objects: 2 });
  t.same(await states(), ['foreign'], 'what is not ours is never touched');
});

t.test('what is refused', async (t) => {
  const { url, env } = await lake();
  const cases: [string[], RegExp][] = [
    [['clean', `s3://${s3.bucket}/`, '--orphans'], /root of a bucket/],
    [['clean', 'file:///', '--orphans'], /root/],
    [['clean', url.slice(0, -1), '--orphans'], /not a folder/],
    [['clean', url], /nothing chosen/],
    [['clean', url, '--orphans', '--older-than', '1h'], /at least 1d/],
    [['clean', url, '--stored', '--older-than', '9d'], /never loaded/],
    [['clean'], /no URL/],
    [['list', url, '--store', ''], /store|location|expected/],
  ];
  for (const [words, says] of cases) {
    const ended = await run('s3-clean', words, { env });
    t.equal(ended.code, 64, `${words.join(' ')}: ${ended.stderr}`);
    t.match(ended.stderr, says);
  }
});
