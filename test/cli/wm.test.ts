/** The command line of `wm`, through the program. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import type { Receipt } from '../../src/receipt.js';
import { openChain } from '../../src/watermark/chain.js';
import { FileStore } from '../../src/watermark/file-store.js';
import { setCursor } from '../../src/watermark/moves.js';
import { parquetFile } from '../watermark/parquet-file.js';
import { linesOf, receiptsFrom } from '../watermark/receipts.js';
import { testS3 } from '../watermark/test-s3.js';
import { type Ended, WM, wm } from '../watermark/wm-program.js';
import { jsonLines } from '../support/json-lines.js';

// More than a hundred short programs: on a busy machine each takes a second.
t.setTimeout(400_000);

const TABLE = 'shop.orders';
const root = await mkdtemp(join(tmpdir(), 'wm-cli-'));
t.teardown(() => rm(root, { recursive: true, force: true }));

async function place(): Promise<{ folder: string; run: (words: string[], input?: string) => Promise<Ended> }> {
  const folder = await mkdtemp(join(root, 'store-'));
  return { folder, run: (words, input) => wm(words, { TABLEPIPE_WM_STORE: `file://${folder}` }, input) };
}

const json = (ended: Ended): Record<string, unknown> => JSON.parse(ended.stdout) as Record<string, unknown>;
const lines = (ended: Ended): Record<string, unknown>[] => jsonLines(ended.stdout);

t.test('get: the fields of the original under their names, and ours', { timeout: 240_000 }, async (t) => {
  const { run } = await place();
  const none = await run(['get', TABLE]);
  t.match(json(none), { table_name: TABLE, generation: 0, cursor: null, mysql_status: 'pending' });
  t.match(
    await run(['get', TABLE, '--format', 'cursor']),
    { code: 0, stdout: 'null\n', stderr: '' },
    'never empty: an empty text is what a failed wm get leaves',
  );
  t.equal((await run(['advance', TABLE], linesOf(receiptsFrom(0, 3)))).code, 0);
  const fields = [
    'table_name',
    'last_mysql_data_timestamp',
    'last_mysql_data_id',
    'last_mysql_extraction_time',
    'mysql_status',
    'redshift_status',
    'mysql_rows_extracted',
    'redshift_rows_loaded',
    'backup_strategy',
    's3_file_count',
    'processed_s3_files',
    'created_at',
    'updated_at',
    'generation',
    'cursor',
    'loaded_cursor',
    'pending_files',
    'run_id',
  ];
  const got = json(await run(['get', TABLE]));
  for (const field of fields) t.ok(field in got, field);
  t.match(got, {
    last_mysql_data_timestamp: null,
    last_mysql_data_id: '3',
    mysql_rows_extracted: 30,
    pending_files: 3,
    mysql_status: 'success',
  });
  t.equal((await run(['get', TABLE, '--format', 'cursor'])).stdout, '["3"]\n');
  t.equal((await run(['get', TABLE, '--format', 'value'])).stdout, '3\n');
  t.match((await run(['get', TABLE, '--format', 'env'])).stdout, /^WM_CURSOR='\["3"\]'$/m);
});

t.test('set: forward freely, back only when forced, and never to nothing', { timeout: 240_000 }, async (t) => {
  const { run } = await place();
  t.match(json(await run(['set', TABLE, '--timestamp', '2024-05-01 10:00:00', '--reason', 'archive starts here'])), {
    to: ['2024-05-01 10:00:00'],
  });
  t.match(json(await run(['get', TABLE])), { last_mysql_data_timestamp: '2024-05-01 10:00:00', cursor_columns: [] });
  for (const wrong of [
    ['--timestamp', 'None'],
    ['--timestamp', ''],
    ['--timestamp', '0000-00-00'],
    ['--cursor', '["NULL"]'],
    ['--cursor', '[9007199254740993]'],
    ['--cursor', '["2024-04-01"]'],
    ['--timestamp', '2024-04-30'],
    ['--cursor', '["x"]'],
    [],
    ['--timestamp', '2025-01-01', '--cursor', '["1"]'],
  ]) {
    const ended = await run(['set', TABLE, ...wrong]);
    t.match(ended, { code: 64, stdout: '' }, wrong.join(' '));
    t.match(ended.stderr, /wm: error\[64 USAGE\]/);
  }
  t.equal(json(await run(['get', TABLE])).generation, 1, 'none of them changed anything');
  t.match(json(await run(['set', TABLE, '--cursor', '["2024-04-01 00:00:00","9007199254740993"]', '--force-rewind'])), {
    generation: 2,
  });
  t.match(lines(await run(['history', TABLE]))[1], { kind: 'set', reason: 'archive starts here' });
});

t.test('pending, loaded, reset, restore: three marks that only move as told', { timeout: 240_000 }, async (t) => {
  const { run } = await place();
  await run(['advance', TABLE, '--flush-files', '1'], linesOf(receiptsFrom(0, 3)));
  const pending = lines(await run(['pending', TABLE]));
  t.same(
    pending.map(({ seq, generation }) => [seq, generation]),
    [
      [0, 1],
      [1, 2],
      [2, 3],
      [undefined, undefined],
    ],
  );
  t.match(pending.at(-1), { type: 'end', status: 'complete', objects: 3, rows: 30 });
  t.match(json(await run(['loaded', TABLE, '--generation', '2'])), { loaded_generation: 2, noop: false });
  t.match(json(await run(['loaded', TABLE, '--generation', '2'])), { noop: true });
  t.match(await run(['loaded', TABLE, '--generation', '99']), { code: 65 });
  t.match(json(await run(['get', TABLE])), {
    redshift_rows_loaded: 20,
    pending_files: 1,
    loaded_cursor: ['2'],
    redshift_status: 'pending',
  });
  t.match(json(await run(['reset', TABLE, '--reason', 'again'])), { from: ['3'], to: null });
  t.match(json(await run(['get', TABLE])), { cursor: null, pending_files: 0, mysql_rows_extracted: 0 });
  t.match(json(await run(['get', TABLE])), { cursor: null }, 'it stays reset');
  t.match(json(await run(['restore', TABLE, '--generation', '4'])), { restored: 4, to: ['3'] });
  t.match(json(await run(['get', TABLE])), { cursor: ['3'], pending_files: 1, redshift_rows_loaded: 20 });
  t.match(json(await run(['diff', TABLE, '1', '2'])), { changes: { cursor: { from: ['1'], to: ['2'] } } });
  t.match(await run(['restore', TABLE, '--generation', '77']), { code: 66 });
});

t.test(
  'a damaged generation: named, the last good one too; restore and force-reset both work',
  { timeout: 240_000 },
  async (t) => {
    for (const way of ['restore', 'force-reset']) {
      const { folder, run } = await place();
      await run(['advance', TABLE, '--flush-files', '1'], linesOf(receiptsFrom(0, 3)));
      await truncate(join(folder, TABLE, '0000000004.json'), 50).catch(() =>
        truncate(join(folder, TABLE, '0000000003.json'), 50),
      );
      const bad = await run(['get', TABLE]);
      t.match(bad, { code: 65, stdout: '' });
      const [, damaged, good] =
        /generation (\d) of shop\.orders cannot be read: .*last good one is (\d)/.exec(bad.stderr) ?? [];
      t.equal(Number(damaged), Number(good) + 1, bad.stderr);
      t.match(await run(['list']), { code: 65, stdout: /"error":"generation/ });
      t.match(lines(await run(['history', TABLE]))[0], { kind: 'unreadable' });
      for (const verb of [
        ['set', TABLE, '--timestamp', '2024-01-01'],
        ['reset', TABLE],
        ['loaded', TABLE, '--generation', '1'],
      ])
        t.equal((await run(verb)).code, 65, verb[0] ?? '');
      t.match(await run(['advance', TABLE], linesOf(receiptsFrom(3, 1))), { code: 65 });
      const repaired = await run(
        way === 'restore' ? ['restore', TABLE, '--generation', good ?? ''] : ['force-reset', TABLE],
      );
      t.equal(repaired.code, 0, repaired.stderr);
      t.match(json(await run(['get', TABLE])), {
        cursor: way === 'restore' ? ['3'] : null,
        generation: Number(damaged) + 1,
      });
      if (way === 'force-reset')
        t.equal(
          (await readFile(join(folder, TABLE, `_aside/000000000${Number(damaged) + 1}/000000000${damaged}.json`)))
            .length,
          50,
          'moved, not deleted',
        );
    }
  },
);

t.test('list: globs, lag, pending files; odd names', { timeout: 240_000 }, async (t) => {
  const { run } = await place();
  for (const table of ['shop.orders', 'shop.items', 'crm.people', '../évil/`x`']) {
    t.equal((await run(['advance', table], linesOf(receiptsFrom(0, 1, 'r', table)))).code, 0, table);
  }
  await run(['set', 'crm.people', '--timestamp', '2024-01-01', '--force-rewind']);
  const all = lines(await run(['list']));
  t.same(
    all.map(({ table }) => table).toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
    ['../évil/`x`', 'crm.people', 'shop.items', 'shop.orders'],
  );
  t.same(
    lines(await run(['list', 'shop.*'])).map(({ table }) => table),
    ['shop.items', 'shop.orders'],
  );
  t.ok(Number(lines(await run(['list', 'crm.people']))[0]?.lag_seconds) > 0);
});

t.test(
  'export and import bring a chain back to the byte; an old watermark file is taken over',
  { timeout: 240_000 },
  async (t) => {
    const [one, two] = [await place(), await place()];
    await one.run(['advance', TABLE, '--flush-files', '1'], linesOf(receiptsFrom(0, 3)));
    const { stdout } = await one.run(['export', TABLE]);
    t.match(json(await two.run(['import', TABLE], stdout)), { noop: false });
    t.match(json(await two.run(['import', TABLE], stdout)), { noop: true });
    t.same(
      await readFile(join(two.folder, TABLE, '0000000002.json')),
      await readFile(join(one.folder, TABLE, '0000000002.json')),
    );
    t.equal((await two.run(['import', 'shop.other'], stdout)).code, 65);
    t.equal((await two.run(['import', TABLE], stdout.split('\n').slice(0, 2).join('\n'))).code, 82, 'cut');
    t.equal((await two.run(['import', TABLE], stdout.replace('9', '8'))).code, 65, 'edited');
    const newer = await two.run(['import', TABLE], stdout.replaceAll('"v":1', '"v":2'));
    t.match(newer, { code: 78, stderr: /version 2.*upgrade/ });
    await two.run(['advance', TABLE], linesOf(receiptsFrom(3, 1)));
    t.equal((await two.run(['import', TABLE], stdout)).code, 80, 'the chain went on');
    const old = JSON.stringify({
      table_name: 'crm.people',
      last_mysql_data_timestamp: '2024-05-06T07:08:09.123456',
      mysql_status: 'success',
    });
    t.match(json(await two.run(['import', 'crm.people'], old)), { to: ['2024-05-06 07:08:09.123456'] });
    t.match(json(await two.run(['import', 'crm.people'], old)), { noop: true }, 'twice is once');
    t.equal((await two.run(['import', 'crm.people'], old.replace('07:08', '07:09'))).code, 80, 'another is refused');
  },
);

/** Receipts of real Parquet files in a place; `put` resolves to the etag where there is one. */
async function stored(
  place: string,
  put: (name: string, bytes: Uint8Array) => Promise<string | undefined>,
): Promise<Receipt[]> {
  return Promise.all(
    receiptsFrom(0, 3).map(async (receipt, n) => {
      const bytes = parquetFile(TABLE, receipt.from, receipt.to ?? [], 10);
      const etag = (await put(`${n}.parquet`, bytes)) ?? '';
      const sum = crc32(bytes).toString(16).padStart(8, '0');
      return { ...receipt, url: `${place}${n}.parquet`, bytes: bytes.length, etag, crc32: sum };
    }),
  );
}

async function written(folder: string): Promise<Receipt[]> {
  await mkdir(folder, { recursive: true });
  return stored(`file://${folder}${folder.endsWith('/') ? '' : '/'}`, async (name, bytes) => {
    await writeFile(join(folder, name), bytes);
    return undefined;
  });
}

t.test('verify: links, objects, sizes and checksums', { timeout: 240_000 }, async (t) => {
  const { folder, run } = await place();
  const objects = join(root, 'verify');
  await run(['advance', TABLE, '--flush-files', '1'], linesOf(await written(objects)));
  t.match(await run(['verify', TABLE]), { code: 0, stdout: /"ok":true/ });
  const second = join(objects, '1.parquet');
  const bytes = await readFile(second);
  await writeFile(second, Buffer.from(bytes).fill(1, 10, 11));
  t.match(await run(['verify', TABLE]), { code: 65, stdout: /CRC-32/ });
  await writeFile(second, bytes.subarray(1));
  t.match(await run(['verify', TABLE]), { code: 65, stdout: /bytes, the receipt says/ });
  await rm(second);
  t.match(await run(['verify', TABLE]), { code: 65, stdout: /no such object/ });
  await run(['loaded', TABLE, '--generation', '3']);
  t.match(await run(['verify', TABLE]), { code: 0, stdout: /"level":"gone"/ }, 'a loaded object may be cleaned');
  const link = join(folder, TABLE, '0000000002.json');
  await writeFile(link, (await readFile(link, 'utf8')).replace('"seq": 1', '"seq": 9'));
  t.match(await run(['verify', TABLE, '--chain-only']), {
    code: 65,
    stdout: /generation":2.*checksum.*\n.*generation":3.*does not name/,
  });
});

t.test('rebuild: a lost chain from the footers of the objects', { timeout: 240_000 }, async (t) => {
  const { folder, run } = await place();
  const objects = join(root, 'rebuild/');
  await run(['advance', TABLE], linesOf(await written(objects)));
  await writeFile(join(objects, 'orphan.parquet'), parquetFile(TABLE, ['1'], ['7'], 5));
  await writeFile(join(objects, 'foreign.parquet'), parquetFile('shop.other', null, ['7'], 5));
  await writeFile(join(objects, 'noise.txt'), 'PAR1 is what this is not');
  const before = json(await run(['get', TABLE]));
  t.equal((await run(['rebuild', TABLE, '--from', `file://${objects}`])).code, 80, 'not over a chain');
  await rm(join(folder, TABLE), { recursive: true });
  t.match(json(await run(['rebuild', TABLE, '--from', `file://${objects}`, '-n'])), {
    dry_run: true,
    files: 3,
    to: ['3'],
  });
  t.equal(json(await run(['get', TABLE])).generation, 0);
  const rebuilt = json(await run(['rebuild', TABLE, '--from', `file://${objects}`]));
  t.match(rebuilt, { generation: 1, files: 3, rows: 30, outside: [/orphan\.parquet$/] });
  const after = json(await run(['get', TABLE]));
  for (const field of ['cursor', 'cursor_columns', 'pending_files', 'pending_rows', 'pending_bytes', 's3_file_count'])
    t.same(after[field], before[field], field);
  t.equal((await run(['verify', TABLE])).code, 0);
  t.match(
    json(await run(['rebuild', TABLE, '--from', `file://${objects}`])),
    { generation: 1, noop: true },
    'twice is once',
  );
});

/** A store whose clock is eight days late, so that what is written through it is old. */
class LateStore extends FileStore {
  override now(): number {
    return super.now() - 8 * 86_400_000;
  }
}

t.test('prune: a plan first; packed, nothing is forgotten and numbers go on', { timeout: 240_000 }, async (t) => {
  const { folder, run } = await place();
  const chain = openChain(new LateStore(folder), TABLE, { by: 'test', signal: new AbortController().signal });
  for (let n = 1; n <= 4; n += 1) await setCursor(chain, [String(n)], false, { run_id: 'r' });
  t.equal((await run(['set', TABLE, '--cursor', '["5"]'])).code, 0);
  t.equal((await run(['prune', TABLE, '--older-than', '1h'])).code, 64);
  t.match(json(await run(['prune', TABLE, '--keep', '1', '--older-than', '30d'])), { noop: true }, 'too young');
  t.match(json(await run(['prune', TABLE, '--keep', '2'])), { dry_run: true, first: 1, last: 3, packed: null });
  const exported = (await run(['export', TABLE])).stdout;
  t.match(json(await run(['prune', TABLE, '--keep', '1', '--delete'])), { first: 1, last: 4, packed: /_packed/ });
  t.same((await readdir(join(folder, TABLE))).sort(), ['0000000005.json', '_packed']);
  t.equal((await run(['export', TABLE])).stdout, exported, 'to the byte');
  t.same(
    lines(await run(['history', TABLE])).map(({ generation }) => generation),
    [5, 4, 3, 2, 1],
  );
  t.match(json(await run(['prune', TABLE, '--keep', '1', '--delete'])), { noop: true });
  t.equal((await run(['verify', TABLE])).code, 0);
  t.match(json(await run(['restore', TABLE, '--generation', '2'])), { generation: 6, to: ['2'] });
});

t.test('lock, unlock, run', { timeout: 240_000 }, async (t) => {
  const { folder, run } = await place();
  const lease = json(await run(['lock', TABLE, '--ttl', '1h']));
  t.match(await run(['lock', TABLE]), { code: 80, stderr: /is locked by/ });
  t.match(await run(['run', TABLE, '--', 'true']), { code: 80 });
  t.match(await run(['unlock', TABLE, '--token', 'wrong']), { code: 80 });
  t.match(json(await run(['unlock', TABLE, '--token', String(lease.token)])), { released: true });
  t.match(json(await run(['unlock', TABLE, '--force'])), { noop: true });
  t.match(
    await run(['run', TABLE, '--ttl', '1s', '--', 'sh', '-c', 'sleep 2; echo out; exit 7']),
    { code: 7, stdout: 'out\n' },
    'the heartbeat outlives the lease',
  );
  t.match(await run(['run', TABLE, '--', 'no-such-command']), { code: 64 });
  t.match(await run(['run', TABLE, '--', 'true']), { code: 0 }, 'the lease was given back');
  t.match(await run(['run', TABLE, '--', 'sh', '-c', 'kill -9 $$']), {
    code: 137,
    stderr: /error\[137\]: sh was ended/,
  });
  const [last = ''] = (await readdir(join(folder, TABLE, '_lease'))).sort().reverse();
  await writeFile(join(folder, TABLE, '_lease', last), '{"format":');
  t.match(await run(['lock', TABLE]), { code: 65, stderr: /wm unlock shop\.orders --force/ });
  t.match(json(await run(['unlock', TABLE, '--force'])), { released: true }, 'also one that cannot be read');
  t.match(await run(['run', TABLE, '--', 'true']), { code: 0 });
});

t.test('a lease that is taken over stops the command with 80', { timeout: 240_000 }, async (t) => {
  const { run, folder } = await place();
  const env = { PATH: process.env.PATH, TABLEPIPE_WM_STORE: `file://${folder}` };
  const child = spawn(process.execPath, [WM, 'run', TABLE, '--ttl', '9s', '--', 'sleep', '30'], {
    env,
    stdio: 'ignore',
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  // Taken over between two heartbeats: on a busy machine that takes a few tries.
  for (let tries = 0, code: number | null = 80; code !== 0 && tries < 20; tries += 1) {
    await run(['unlock', TABLE, '--force']);
    ({ code } = await run(['lock', TABLE, '--ttl', '1h']));
  }
  t.equal((await once(child, 'close'))[0], 80);
});

t.test(
  'bad command lines are 64 and contact nothing; a wrong store is said clearly',
  { timeout: 240_000 },
  async (t) => {
    const { run } = await place();
    for (const words of [
      ['get'],
      ['get', 'a.b', 'c.d'],
      ['get', TABLE, '--format', 'xml'],
      ['get', TABLE, '--json', '--format', 'value'],
      ['fetch', TABLE],
      ['get', TABLE, '--store', 'ftp://x/'],
      ['get', TABLE, '--store', 'file://relative'],
      ['advance', TABLE, '--flush-interval', '5'],
      ['loaded', TABLE],
      ['diff', TABLE, '1'],
      ['rebuild', TABLE],
      ['set', TABLE],
    ]) {
      t.match(await run(words, ''), { code: 64, stdout: '' }, words.join(' '));
    }
    t.match(await wm(['get', TABLE], {}), { code: 64, stderr: /no watermark store given/ });
    t.match(await run(['get', TABLE, '--store', 'file:///dev/null/x/']), { code: 66 });
    const lost = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_ENDPOINT_URL: 'http://127.0.0.1:1' };
    t.match(await wm(['get', TABLE, '--store', 's3://lake/wm/', '--retry-max-time', '200ms'], lost), {
      code: 75,
      stderr: /ECONNREFUSED/,
    });
  },
);

t.test('on S3 every command does the same', { timeout: 300_000 }, async (t) => {
  const s3 = await testS3();
  t.teardown(() => s3.stop());
  const [store, other, lake] = [(await s3.store()).url, (await s3.store()).url, await s3.store()];
  const { signal } = new AbortController();
  const run = (words: string[], input?: string): Promise<Ended> =>
    wm(words, { ...s3.env, TABLEPIPE_WM_STORE: store }, input);
  const objects = await stored(lake.url, async (name, bytes) => (await lake.create(name, bytes, signal)).etag);
  const receipts = linesOf(objects);
  t.equal((await run(['advance', TABLE, '--flush-files', '2'], receipts)).code, 0);
  const start = s3.proxy.requests.length;
  t.match(json(await run(['get', TABLE])), { cursor: ['3'], generation: 2 });
  t.equal((await run(['advance', TABLE], linesOf([]))).code, 0);
  t.equal(s3.proxy.requests.length - start, 4, 'a run that finds nothing: two requests each for get and advance');
  t.match(lines(await run(['list'])), [{ table: TABLE, pending_files: 3 }]);
  t.match(lines(await run(['history', TABLE])), [{ generation: 2 }, { generation: 1 }]);
  t.match(json(await run(['diff', TABLE, '1', '2'])), { changes: { cursor: { from: ['2'], to: ['3'] } } });
  t.equal(lines(await run(['pending', TABLE])).length, 4);
  t.match(json(await run(['verify', TABLE, '--read'])), { ok: true, generations: 2 });
  const second = Buffer.from((await lake.read('1.parquet', signal)) ?? []);
  await lake.replace('1.parquet', Buffer.from(second).fill(1, 10, 11), signal);
  t.match(await run(['verify', TABLE]), { code: 65, stdout: /1\.parquet.*(?:CRC-32|etag)/ });
  await lake.replace('1.parquet', second.subarray(1), signal);
  t.match(await run(['verify', TABLE]), { code: 65, stdout: /bytes, the receipt says/ });
  await lake.remove('1.parquet', signal);
  t.match(await run(['verify', TABLE]), { code: 65, stdout: /no such object/ });
  await lake.replace('1.parquet', second, signal);
  t.match(json(await run(['verify', TABLE])), { ok: true });
  t.match(json(await run(['loaded', TABLE, '--generation', '1'])), { generation: 3 });
  t.match(json(await run(['set', TABLE, '--cursor', '["9"]'])), { generation: 4, from: ['3'] });
  t.match(json(await run(['reset', TABLE])), { generation: 5, from: ['9'] });
  t.match(json(await run(['restore', TABLE, '--generation', '2'])), { generation: 6, to: ['3'] });
  t.match(json(await run(['get', TABLE])), { pending_files: 1, redshift_rows_loaded: 20 });
  const exported = (await run(['export', TABLE])).stdout;
  t.match(json(await run(['import', TABLE, '--store', other], exported)), { generation: 6, created: 6 });
  t.equal((await run(['export', TABLE, '--store', other])).stdout, exported);
  t.match(json(await run(['prune', TABLE, '--keep', '1'])), { noop: true }, 'too young');
  t.match(json(await run(['force-reset', TABLE])), { generation: 7, moved: 6 });
  t.match(json(await run(['rebuild', TABLE, '--from', lake.url])), { generation: 8, files: 3, to: ['3'] });
  const lease = json(await run(['lock', TABLE, '--ttl', '1h']));
  t.match(await run(['run', TABLE, '--', 'true']), { code: 80 });
  t.match(json(await run(['unlock', TABLE, '--token', String(lease.token)])), { released: true });
  t.match(await run(['run', TABLE, '--', 'echo', 'in']), { code: 0, stdout: 'in\n' });
  t.match(json(await run(['probe'])), { ok: true });
  t.equal((await run(['get', TABLE, '--store', 's3://no-such-bucket/x/'])).code, 78);
});
