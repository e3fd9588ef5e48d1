/** The command line of mysql-extract on a real server: exactness, what it refuses, and what it leaves behind. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { extract, scratch, taken } from '../plan/scratch.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { collected, demandCode, run, start } from '../support/program.js';
import { servers } from '../support/servers.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(180_000);
const db = await scratch('extract');
const home = mkdtempSync(join(tmpdir(), 'extract-'));
const env = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: home };
t.teardown(async () => {
  await db.drop();
  rmSync(home, { recursive: true });
});
const PAST = "'2024-01-01 00:00:00'";

await db.run(
  `CREATE TABLE ties (id BIGINT NOT NULL PRIMARY KEY, pad VARCHAR(200) NOT NULL, update_at DATETIME NOT NULL, KEY (update_at))`,
);
await db.run(
  `INSERT INTO ties SELECT seq, REPEAT('x', 150), ${PAST} + INTERVAL seq DIV 10000 SECOND FROM seq_1_to_20000`,
);
const TIES = `${db.name}.ties`;
const ids = (rows: readonly Record<string, unknown>[]): string[] => rows.map((row) => String(row.id));

t.test('10,000 rows of one second: every page size, cut anywhere, gives every row once', async (t) => {
  const whole = Array.from({ length: 20000 }, (_, i) => String(i + 1));
  for (const size of ['777', '10000', '10001']) {
    const { rows, end } = await extract([TIES, '--order', 'cursor', '--batch-size', size, '--columns', 'id']);
    t.same(ids(rows), whole, `pages of ${size}`);
    t.match(end, { status: 'complete', rows: 20000, from: null, to: ['2024-01-01 00:00:02', '20000'] });
  }
  for (const limit of [9998, 9999]) {
    const first = await extract([TIES, '--limit', String(limit), '--batch-size', '4000']);
    t.equal(first.rows.length, limit, `--limit ${limit} is exact`);
    const rest = await extract([TIES, '--since', JSON.stringify(first.end?.to), '--batch-size', '4000']);
    t.same([...ids(first.rows), ...ids(rest.rows)], whole, `cut after ${limit}`);
  }
  t.equal((await extract([TIES, '--limit', '0'])).rows.length, 0);
});

t.test('several connections give the same bytes as one', async (t) => {
  for (const order of ['key', 'cursor']) {
    const read = (parallel: string) =>
      run(
        'mysql-extract',
        [TIES, '--order', order, '--batch-size', '1500', '--parallel', parallel, '--format', 'ndjson', '--bare'],
        { env },
      );
    const [one, three] = [demandCode(await read('1')), demandCode(await read('3'))];
    t.ok(one.stdout.equals(three.stdout), `in ${order} order`);
    t.equal(one.stdout.toString().trim().split('\n').length, 20000);
  }
});

t.test('from the start a table is read by its primary key, then from the bound on', async (t) => {
  const first = await extract([TIES, '--columns', 'id']);
  t.match(first.end, { cursor_columns: ['id'], to: ['20000'], until: { rule: /clock/ } });
  const until = first.end?.until?.value ?? '';
  const half = await extract([TIES, '--columns', 'id', '--since', JSON.stringify({ backfill: ['10000'], until })]);
  t.match(half.end, { rows: 10000, from: ['10000'], until: { value: until } });
  const next = await extract([TIES, '--since', JSON.stringify([until])]);
  t.match(next.end, { rows: 0, from: [until], to: [until], cursor_columns: ['update_at', 'id'] });
});

t.test('hostile names come back as they are', async (t) => {
  const names = ['`', '"; DROP TABLE x; --', "it's\n\ttwo lines", '⛵ ünï', 'x'.repeat(64), '?', '%s', '--help'];
  const odd = 'a`b.c"d';
  const columns = names.map((name) => `\`${name.replaceAll('`', '``')}\` INT NOT NULL`);
  await db.run(`CREATE TABLE \`${odd.replaceAll('`', '``')}\` (${columns.join(', ')}, PRIMARY KEY (\`\`\`\`))`);
  await db.sql.execute(`INSERT INTO \`a\`\`b.c"d\` VALUES (${names.map((_, i) => i).join(', ')})`);
  const { rows, ended } = await extract([`${db.name}.\`a\`\`b.c"d\``, '--cursor', '````', '--until', 'none']);
  demandCode(ended);
  t.same(rows, [Object.fromEntries(names.map((name, i) => [name, i]))]);
  const some = await extract([`${db.name}.\`a\`\`b.c"d\``, '--cursor', 'none', '--exclude', '`⛵ ünï`,?']);
  t.same(
    Object.keys(some.rows[0] ?? {}),
    names.filter((name) => name !== '⛵ ünï' && name !== '?'),
  );
});

t.test('columns, a condition, a query with its own cursor', async (t) => {
  const few = await extract([TIES, '--columns', 'pad', '--where', 'id % 1000 = 0 -- comment']);
  t.equal(few.rows.length, 20);
  t.same(Object.keys(few.rows[0] ?? {}), ['id', 'pad', 'update_at'], 'the cursor columns are always there');
  const query = `SELECT update_at AS at, id AS nr, CONCAT(id, '!') AS loud FROM ${db.name}.ties WHERE id <= 25 -- few`;
  const read = await extract([
    'named',
    '--query',
    query,
    '--cursor',
    'at,nr',
    '--batch-size',
    '10',
    '--allow-full-scan',
  ]);
  demandCode(read.ended);
  t.equal(read.rows.length, 25);
  t.match(read.end, { table: 'named', cursor_columns: ['at', 'nr'], to: ['2024-01-01 00:00:00', '25'] });
  const rest = await extract([
    'named',
    '--query',
    query,
    '--cursor',
    'at,nr',
    '--since',
    '["2024-01-01 00:00:00","20"]',
    '--allow-full-scan',
  ]);
  t.same(
    rest.rows.map((row) => row.loud),
    ['21!', '22!', '23!', '24!', '25!'],
  );
  const sums = await extract(['--query', `SELECT COUNT(*) AS n FROM ${db.name}.ties`]);
  t.match(sums.rows, [{ n: '20000' }]);
});

t.test('a missing index is named with the statement that makes it, and can be accepted', async (t) => {
  await db.run(`CREATE TABLE plain (id INT PRIMARY KEY, update_at DATETIME NOT NULL)`);
  await db.run(`INSERT INTO plain SELECT seq, ${PAST} FROM seq_1_to_100`);
  const refused = await extract([`${db.name}.plain`, '--since', '2023-01-01']);
  t.equal(refused.ended.code, 78);
  t.match(
    refused.ended.stderr,
    /CREATE INDEX `idx_plain_update_at_id` ON `extract_\d+`\.`plain` \(`update_at`, `id`\)/,
  );
  t.match(refused.end, { status: 'aborted', code: 78 }, 'the stream says so too');
  const allowed = await extract([`${db.name}.plain`, '--since', '2023-01-01', '--allow-full-scan']);
  t.equal(allowed.rows.length, 100);
});

t.test('bad input ends with its status and one clear line', async (t) => {
  const cases: [readonly string[], number, RegExp][] = [
    [[], 64, /no table given/],
    [['ties'], 64, /expected schema.table/],
    [[`${db.name}.tiez`], 66, /Did you mean extract_\d+\.ties/],
    [[TIES, '--columns', 'nope'], 66, /no column `nope`.*id, pad, update_at/],
    [[TIES, '--cursor', 'pad'], 78, /no index begins with `pad`/],
    [[TIES, '--since', ''], 82, /--since is empty/],
    [[TIES, '--since', '["None"]'], 64, /not a datetime/],
    [[TIES, '--since', '[1]'], 64, /expected what `wm get/],
    [[TIES, '--exclude', 'id'], 64, /--exclude leaves out `id`/],
    [[TIES, '--where', 'nope = 1'], 66, /Unknown column/],
    [[TIES, '--where', ') OR ('], 64, /SQL syntax/],
    [[TIES, '--lag', '5'], 64, /Say the unit/],
    [[TIES, '--batch-size', '0'], 64, /at least 1/],
    [[TIES, '--url', 'mysql://u:secret@h/'], 64, /password/],
    [[TIES, '--url', 'mysql://nobody@127.0.0.1:9/'], 75, /127\.0\.0\.1:9 as nobody/],
    [
      [TIES, '--url', servers().mysqlUrl.replace(/:\/\/.*@/, '://nobody_at_all@')],
      77,
      /Check the user and the password/,
    ],
    [[TIES, '--bare', '--format', 'singer'], 64, /--bare/],
    [[TIES, '--limt', '5'], 64, /Did you mean --limit/],
  ];
  const checked = async ([words, code, said]: (typeof cases)[number]): Promise<void> => {
    const ended = await run('mysql-extract', ['--format', 'ndjson', ...words], { env });
    t.equal(ended.code, code, `${words.join(' ')}\n${ended.stderr}`);
    t.match(ended.stderr, said);
    t.notMatch(ended.stderr, /secret|\n.*\n.*\n/);
  };
  for (let at = 0; at < cases.length; at += 4) await Promise.all(cases.slice(at, at + 4).map(checked));
});

t.test('the rest of the pipeline ends with our status', async (t) => {
  const end = await pipeline(`mysql-extract ${db.name}.nothing | to-parquet -o ${home}/never.parquet`, { env });
  t.equal(end.code, 66);
  t.same(end.stages, [66, 66]);
});

t.test('the plan, without a row', async (t) => {
  const ended = demandCode(await run('mysql-extract', [TIES, '-n', '--since', '2023-01-01'], { env }));
  t.match(JSON.parse(ended.stdout.toString()), {
    dry_run: true,
    read: 'incremental',
    cursor_columns: ['update_at', 'id'],
    query: /FORCE INDEX \(`update_at`\)/,
    explain: /range on update_at/,
  });
  const types = demandCode(await run('mysql-extract', [TIES, '--explain-types'], { env })).stdout.toString();
  t.match(
    types,
    /^COLUMN +MYSQL +ARROW +PARQUET +REDSHIFT +POSTGRESQL\nid +bigint\(20\) +int64 not null +int64 +BIGINT +bigint\n/,
  );
});

t.test('Singer: a schema, records, a state that stands at the last row', async (t) => {
  const ended = demandCode(await run('mysql-extract', [TIES, '--format', 'singer', '--limit', '3'], { env }));
  const messages = jsonLines(ended.stdout);
  t.same(
    messages.map(({ type }) => type),
    ['SCHEMA', 'RECORD', 'RECORD', 'RECORD', 'STATE'],
  );
  t.match(messages[0], { key_properties: ['id'], bookmark_properties: ['update_at', 'id'] });
  t.match(messages[4], { value: { bookmarks: { [`${db.name}-ties`]: { cursor: ['2024-01-01 00:00:00', '3'] } } } });
});

t.test('an option file: read, and refused when everybody may write it', async (t) => {
  const url = new URL(servers().mysqlUrl);
  const file = join(home, 'other.cnf');
  writeFileSync(
    file,
    `[mysqld]\nport=1\n[client]\nhost=${url.hostname}\nport = ${url.port}\nuser="${url.username}" \npassword='${url.password}'\n`,
    { mode: 0o600 },
  );
  const read = await run('mysql-extract', [TIES, '--limit', '1', '--format', 'ndjson', '--defaults-file', file], {
    env: { HOME: home },
  });
  t.equal(taken(demandCode(read).stdout.toString()).rows.length, 1);
  chmodSync(file, 0o666);
  const refused = await run('mysql-extract', [TIES, '--defaults-file', file], { env: { HOME: home } });
  t.equal(refused.code, 78);
  t.match(refused.stderr, /chmod o-w/);
});

/** What our statements are doing on the server. */
async function running(): Promise<Record<string, unknown>[]> {
  return db.run(
    "SELECT id, info FROM information_schema.processlist WHERE info LIKE '/* tablepipe %' AND info LIKE ?",
    [`%${db.name}%`],
  );
}

async function goneWithin(ms: number): Promise<number> {
  const began = Date.now();
  while ((await running()).length > 0 && Date.now() - began < ms)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return Date.now() - began;
}

const SLOW = `SELECT seq AS id, SLEEP(0.05) AS s FROM ${db.name}.seq_1_to_2000`;

t.test('SIGINT ends the query on the server within a second, and the program by the signal', async (t) => {
  const child = start('mysql-extract', ['slow', '--query', SLOW], { env });
  const ended = collected(child, 'mysql-extract');
  while ((await running()).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  t.ok((await goneWithin(5_000)) < 1_000, 'nothing of ours runs a second later');
  t.match(await ended, { signal: 'SIGINT', stderr: /stopping; Ctrl-C again/ });
});

t.test('a reader that leaves: silence, 141, and no query left', async (t) => {
  const big = `SELECT a.id, a.pad FROM ${db.name}.ties a JOIN ${db.name}.ties b ON b.id <= 500`;
  const end = await pipeline(`mysql-extract big --query '${big}' | head -c 1M > /dev/null`, { env });
  t.same(end.stages, [141, 0]);
  t.equal(end.stderr, '');
  t.ok((await goneWithin(5_000)) < 1_000);
  const pages = await pipeline(
    `mysql-extract ${TIES} --format ndjson --parallel 2 --batch-size 2000 | head -c 1M > /dev/null`,
    { env },
  );
  t.same(pages.stages, [141, 0]);
  t.ok((await goneWithin(5_000)) < 1_000);
});

t.test('DDL in the middle of a run is named', async (t) => {
  const altered = async (ddl: string): Promise<{ code: number | null; stderr: string }> => {
    await db.run('DROP TABLE IF EXISTS ddl');
    await db.run(`CREATE TABLE ddl (id INT PRIMARY KEY, v INT NOT NULL, gone INT)`);
    await db.run('INSERT INTO ddl SELECT seq, seq, seq FROM seq_1_to_100');
    const child = start(
      'mysql-extract',
      [`${db.name}.ddl`, '--cursor', 'none', '--batch-size', '40', '--format', 'ndjson'],
      {
        env: { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: 'mysql-extract.after-page=delay:2500@1' },
      },
    );
    const ended = collected(child, 'mysql-extract');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    await db.run(`ALTER TABLE ddl ${ddl}`);
    return ended;
  };
  t.match(await altered('MODIFY v BIGINT NOT NULL'), {
    code: 65,
    stderr: /ddl: the column v was altered while the table was read/,
  });
  t.match(await altered('DROP COLUMN gone'), { code: 65, stderr: /ddl was altered while it was read.*gone/ });
  t.match(await altered('ADD COLUMN more INT'), { code: 0 }, "a new column is the next run's");
});

t.test('a table of a thousand columns', async (t) => {
  // InnoDB ends at 1,017; other engines at what fits into one 64 KiB definition.
  const columns = Array.from({ length: 1000 }, (_, i) => `c${i} SMALLINT NOT NULL DEFAULT ${i}`);
  await db.run(`CREATE TABLE wide (id INT PRIMARY KEY, ${columns.join(', ')})`);
  await db.run('INSERT INTO wide (id) VALUES (1), (2)');
  const { rows, ended } = await extract([`${db.name}.wide`, '--cursor', 'id', '--until', 'none']);
  demandCode(ended);
  t.equal(Object.keys(rows[1] ?? {}).length, 1001);
  t.equal(rows[1]?.c999, 999);
});

t.test('a query of 4,096 columns, the most a server returns', async (t) => {
  const columns = Array.from({ length: 4096 }, (_, i) => `id + ${i} AS c${i}`).join(', ');
  const words = ['wide', '--query', `SELECT ${columns} FROM ${db.name}.ties WHERE id <= 3`, '--cursor', 'c0'];
  const { rows, ended, end } = await extract([...words, '--until', 'none', '--allow-full-scan']);
  demandCode(ended);
  t.match(end, { status: 'complete', rows: 3, to: ['3'] });
  t.same(
    rows.map((row) => [Object.keys(row).length, Number(row.c0), Number(row.c4095)]),
    [1, 2, 3].map((id) => [4096, id, id + 4095]),
  );
});

t.test('cursor columns of a query that do not tell its rows apart are found out', async (t) => {
  const query = `SELECT update_at AS at, id FROM ${db.name}.ties WHERE id BETWEEN 9990 AND 10010`;
  const words = ['tied', '--query', query, '--allow-full-scan'];
  const lossy = await extract([...words, '--cursor', 'at', '--limit', '5']);
  t.equal(lossy.ended.code, 65);
  t.match(lossy.ended.stderr, /several rows with the same at/);
  t.match(lossy.end, { status: 'aborted' });
  t.equal((await extract([...words, '--cursor', 'at,id', '--limit', '5'])).rows.length, 5);
});

t.test('--help says everything, fast', async (t) => {
  const times: number[] = [];
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const began = Date.now();
    const ended = demandCode(await run('mysql-extract', ['--help'], { env: {} }));
    times.push(Date.now() - began);
    t.match(ended.stdout.toString(), /--since POSITION/);
  }
  t.ok(Math.min(...times) < 400, `${Math.min(...times)} ms with two processes on a busy machine`);
});

t.test('the pipe, twice: everything, then only what changed', async (t) => {
  await db.run(
    `CREATE TABLE moved (id INT PRIMARY KEY, v INT NOT NULL, update_at TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (update_at))`,
  );
  await db.run(`INSERT INTO moved SELECT seq, 0, ${PAST} FROM seq_1_to_1000`);
  const table = `${db.name}.moved`;
  const line = `mysql-extract ${table} --since "$(wm get ${table} --format cursor)" | to-parquet --split-rows 300 | s3-put file://${home}/objects/ | wm advance ${table}`;
  const around = { env: { ...env, TABLEPIPE_WM_STORE: `file://${home}/wm/` } };
  const rows = (text: string): number =>
    text
      .trim()
      .split('\n')
      .reduce(
        (sum, one) =>
          sum +
          ((JSON.parse(one) as { type: string; rows: number }).type === 'object'
            ? (JSON.parse(one) as { rows: number }).rows
            : 0),
        0,
      );
  t.equal(rows(demandStatus(await pipeline(line, around)).stdout), 1000);
  await db.run('UPDATE moved SET v = 1 WHERE id % 100 = 0');
  await new Promise((resolve) => setTimeout(resolve, 3_200));
  t.equal(rows(demandStatus(await pipeline(line, around)).stdout), 10);
  t.equal(rows(demandStatus(await pipeline(line, around)).stdout), 0);
});

t.test('a binary key: read by pages, committed, gone on with', async (t) => {
  await db.run('CREATE TABLE hashed (b BINARY(16) PRIMARY KEY, update_at DATETIME(6) NOT NULL, KEY (update_at))');
  await db.run(`INSERT INTO hashed SELECT UNHEX(MD5(seq)), ${PAST} FROM seq_1_to_1000`);
  const table = `${db.name}.hashed`;
  const around = { env: { ...env, TABLEPIPE_WM_STORE: `file://${home}/wm/` } };
  const line = (failpoint: string): string =>
    `${failpoint} mysql-extract ${table} --batch-size 300 --since "$(wm get ${table} --format cursor)" | to-parquet --split-rows 200 | s3-put file://${home}/hashed/ | wm advance ${table}`;
  const cut = await pipeline(line('TABLEPIPE_UNSAFE_FAILPOINTS=mysql-extract.after-page=kill@2'), around);
  t.equal(cut.code, 82);
  const where = await pipeline(`wm get ${table} --format cursor`, around);
  t.match(where.stdout, /^\{"backfill":\["0x[0-9a-f]{32}"\],/);
  demandStatus(await pipeline(line(''), around));
  const total = await pipeline(`wm get ${table} --format json`, around);
  t.match(JSON.parse(total.stdout), { mysql_rows_extracted: 1000, mysql_status: 'success' });
});
