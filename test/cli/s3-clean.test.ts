/** `s3-clean`: what it calls things, and that it removes what it was told to and nothing else. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateMultipartUploadCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import t from 'tap';
import { BIN, demandCode, run } from '../support/program.js';
import { S3Scratch } from '../support/s3-scratch.js';
import { connectTarget, servers } from '../support/servers.js';
import { parquetMembers, tarOf } from '../support/tar-of-parquet.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(280_000);
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
  const at = (name: string) => ({ Bucket: s3.bucket, Key: url.slice(`s3://${s3.bucket}/`.length) + name });
  for (const { name, bytes } of parquetMembers(2, 3, 'shop.orders', 10)) {
    await s3.direct.send(new PutObjectCommand({ ...at(name), Body: bytes }));
  }
  await s3.direct.send(new PutObjectCommand({ ...at('readme.txt'), Body: 'hello' }));
  await s3.direct.send(new CreateMultipartUploadCommand(at('unfinished.parquet')));
  return {
    url,
    env,
    clean: async (...words) => jsonLines(demandCode(await run('s3-clean', ['clean', url, ...words], { env })).stdout),
    states: async () =>
      jsonLines(demandCode(await run('s3-clean', ['list', url], { env })).stdout)
        .map(({ state }) => String(state))
        .sort(),
  };
}

const ALL = ['foreign', 'loaded', 'loaded', 'orphan', 'orphan', 'stored', 'stored', 'upload'];

/** For the tests that change nothing. */
const still = await lake();

t.test('list names what each object is', async (t) => {
  t.same(await still.states(), ALL);
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
  const { url, env } = still;
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

t.test('list tells object, bytes, rows, age, table and generation', async (t) => {
  const { url, env } = still;
  const { stdout } = demandCode(await run('s3-clean', ['list', url], { env }));
  const all = jsonLines(stdout);
  const [member] = parquetMembers(1);
  t.match(
    all.find(({ state }) => state === 'loaded'),
    {
      type: 'object',
      url: url + member?.name,
      bytes: member?.bytes.length,
      rows: 3,
      table: 'shop.orders',
      generation: 1,
    },
  );
  t.match(
    all.find(({ state }) => state === 'upload'),
    { bytes: null, rows: null, upload_id: String },
  );
  for (const { age_seconds: age } of all) t.ok(Number(age) >= 0 && Number(age) < 600, `${String(age)} s`);
  const seen = await terminal(['list', url], env);
  t.match(seen.shown, /^state +bytes +rows +age +table +url\r?$/m);
  t.match(seen.shown, /^stored +\d+ +3 +0m|[0-9]m +shop\.orders +s3:/m);
});

/** On a terminal of `script`; `typed` is what the person types. */
async function terminal(
  words: string[],
  env: Record<string, string>,
  typed?: string,
): Promise<{ shown: string; code: number | null }> {
  const line = [process.execPath, `${BIN}s3-clean`, ...words].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: { PATH: process.env.PATH, SHELL: '/bin/sh', ...env },
  });
  let shown = '';
  let asked = false;
  child.stdin.on('error', () => {});
  child.stdout.on('data', (chunk) => {
    shown += String(chunk);
    if (asked || typed === undefined || !shown.includes('to go on')) return;
    asked = true;
    child.stdin.write(`${typed}\r`);
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { shown, code };
}

t.test('a terminal asks, and takes nothing but the folder for a yes', async (t) => {
  const { url, env, states } = await lake();
  const words = ['clean', url, '--orphans', ...NOW, '--delete'];
  const refused = await terminal(words, env, 'yes');
  t.equal(refused.code, 64, refused.shown);
  t.match(refused.shown, /2 objects with \d+ bytes below .* will be removed/);
  t.same(await states(), ALL);
  const done = await terminal(words, env, url);
  t.equal(done.code, 0, done.shown);
  t.match(done.shown, /removed orphan s3:/);
  t.same(
    await states(),
    ALL.filter((state) => state !== 'orphan'),
  );
});

t.test('what a ledger holds is loaded, also when no chain names it', async (t) => {
  const { url, env, states } = await lake();
  const client = await connectTarget();
  const schema = `clean_${process.pid}_${lakes}`;
  t.teardown(async () => {
    await client.query(`DROP SCHEMA ${schema} CASCADE`);
    await client.end();
  });
  const ledger = `${schema}._tablepipe_ledger_orders`;
  await client.query(`CREATE SCHEMA ${schema}`);
  await client.query(`CREATE TABLE ${ledger} (target varchar(300), url varchar(1200))`);
  const names = parquetMembers(2, 3, 'shop.orders', 10).map(({ name }) => url + name);
  await client.query(`INSERT INTO ${ledger} VALUES ('x.orders', $1), ('x.orders', 's3://elsewhere/x')`, [names[0]]);
  t.same(await states(), ALL);
  const around = { env: { ...env, TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl } };
  const words = ['clean', url, '--loaded', '--ledger', ledger, ...NOW, '--delete'];
  const { stdout } = demandCode(await run('s3-clean', words, around));
  t.match(String(stdout), names[0] ?? '', 'the orphan that the ledger knows');
  t.same(await states(), ['foreign', 'orphan', 'stored', 'stored', 'upload']);
  const absent = await run('s3-clean', ['list', url, '--ledger', `${schema}.nothing`], around);
  t.ok([66, 78].includes(absent.code ?? 0), absent.stderr);
});

t.test('a store that names nothing there makes orphans of nothing without --force', async (t) => {
  const { url, env, states } = still;
  const wrong = ['--store', `file://${dir}/another/`];
  const words = ['clean', url, '--orphans', '--older-than', '1d', ...wrong];
  const plan = demandCode(await run('s3-clean', words, { env }));
  t.match(plan.stderr, /everything there would be an orphan/);
  const ended = await run('s3-clean', [...words, '--delete'], { env });
  t.equal(ended.code, 78, ended.stderr);
  t.same(await states(), ALL);
});

t.test('killed before and after a removal, and run again', async (t) => {
  const { url, env, clean, states } = await lake();
  const words = ['clean', url, '--orphans', '--uploads', ...NOW, '--delete'];
  for (const point of ['before', 'after']) {
    const around = { env: { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: `s3-clean.${point}-removal=kill` } };
    t.equal((await run('s3-clean', words, around)).signal, 'SIGKILL');
  }
  t.same(
    await states(),
    ALL.filter((state) => state !== 'orphan' && state !== 'upload'),
  );
  t.match((await clean('--orphans', '--uploads', ...NOW, '--delete')).at(-1), { noop: true });
});

t.test('what is committed while it works stays: by a known chain, and by one that is begun meanwhile', async (t) => {
  const { url, env, states } = await lake();
  for (const [table, first] of [
    ['shop.orders', 4],
    ['shop.others', 0],
  ] as const) {
    const stdin = await tarOf(parquetMembers(2, 3, table, first), undefined, table);
    const receipts = demandCode(await run('s3-put', [url], { env, stdin })).stdout;
    // The list of the lake waits until the commit is made: the chains were read before it.
    const wait = async (): Promise<unknown> =>
      demandCode(await run('wm', ['advance', table], { env, stdin: receipts }));
    s3.faults.clear();
    s3.faults.arm({ operation: 'list', fault: { wait } });
    const ended = demandCode(await run('s3-clean', ['clean', url, '--orphans', ...NOW, '--delete'], { env }));
    t.equal(s3.faults.fired(), 1);
    for (const { url: object } of JSON.parse(`[${String(receipts).trim().replaceAll('\n', ',')}]`) as {
      url?: string;
    }[])
      if (object) t.notMatch(String(ended.stdout), object);
    t.equal((await states()).filter((state) => state === 'stored').length, table === 'shop.orders' ? 4 : 6, table);
  }
});

t.test('a lake of files: old orphans and what a killed run left go, the young and the foreign stay', async (t) => {
  const url = `file://${dir}/lake/`;
  await mkdir(`${dir}/lake`);
  const name = (first: string): string => `x-${first.padEnd(16, '0')}.parquet`;
  const week = new Date(Date.now() - 8 * 86_400_000);
  const old = [name('a'), '.tmp-0123456789abcdef', 'readme.txt'];
  for (const one of [...old, name('b')]) await writeFile(`${dir}/lake/${one}`, 'x');
  for (const one of old) await utimes(`${dir}/lake/${one}`, week, week);
  const words = ['clean', url, '--orphans', '--uploads', '--force', '--delete', '--store', `file://${dir}/another/`];
  const { stdout } = demandCode(await run('s3-clean', words, { env: s3.env }));
  t.match(JSON.parse(String(stdout).trim().split('\n').at(-1) ?? ''), { objects: 2, bytes: 2, dry_run: false });
  t.same((await readdir(`${dir}/lake`)).sort(), ['readme.txt', name('b')].sort());
});
