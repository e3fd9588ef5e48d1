/** Plans of shards: everything once, in equal parts, whatever the keys look like and whatever is inserted later. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Shard, parseShards, shardCondition } from '../../src/plan/shards.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';
import { extract, scratch } from './scratch.js';

t.setTimeout(120_000);
const db = await scratch('shards');
const folder = mkdtempSync(join(tmpdir(), 'shards-'));
t.teardown(async () => {
  await db.drop();
  rmSync(folder, { recursive: true });
});

function plan(words: readonly string[]): Promise<Ended> {
  return run('mysql-shards', words, { env: { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: folder } });
}

/** Per shard, the keys it holds, as the server answers. */
async function held(shards: readonly Shard[], key: string): Promise<string[][]> {
  const parts: string[][] = [];
  for (const shard of shards) {
    const { sql, values } = shardCondition(shard);
    const rows = await db.run(`SELECT CAST(${key} AS CHAR) AS k FROM cut WHERE ${sql}`, [...values]);
    parts.push(rows.map((row) => String(row.k)));
  }
  return parts;
}

// MD5 left MySQL with version 9.
const HASH = 'LEFT(SHA2(seq, 256), 32)';
const UUID = `CONCAT(LEFT(${HASH}, 8), '-', SUBSTR(${HASH}, 9, 4), '-4', SUBSTR(${HASH}, 14, 3), '-8', SUBSTR(${HASH}, 18, 3), '-', RIGHT(${HASH}, 12))`;

const TABLES: Record<string, [columns: string, key: string, select: string]> = {
  'two clusters far apart': ['id BIGINT UNSIGNED PRIMARY KEY', 'id', 'IF(seq <= 1500, seq, 9000000000000 + seq)'],
  sparse: ['id BIGINT PRIMARY KEY', 'id', 'CAST(seq * seq * 1009 AS SIGNED) - 500000'],
  'composite and skewed': ['a INT, b INT, PRIMARY KEY (a, b)', "CONCAT(a, ':', b)", 'IF(seq <= 2500, 1, seq), seq'],
  'text in a collation': ['s VARCHAR(40) PRIMARY KEY', 's', "CONCAT(ELT(1 + seq % 5, 'a', 'B', 'ä', 'zz', ''), seq)"],
  UUIDs: db.mariadb
    ? ['u UUID PRIMARY KEY', 'u', `CAST(${UUID} AS UUID)`]
    : ['u CHAR(36) CHARACTER SET ascii PRIMARY KEY', 'u', UUID],
  bytes: ['b BINARY(16) PRIMARY KEY', 'HEX(b)', `UNHEX(${HASH})`],
};

for (const [name, [columns, key, select]] of Object.entries(TABLES)) {
  t.test(`${name}: everything once, within 20 %`, async (t) => {
    await db.run('DROP TABLE IF EXISTS cut');
    await db.run(`CREATE TABLE cut (${columns})`);
    await db.run(`INSERT INTO cut SELECT ${select} FROM seq_1_to_3000`);
    const ended = demandCode(await plan([`${db.name}.cut`, '-n', '7', '--cursor', 'none']));
    const shards = parseShards(ended.stdout.toString());
    const parts = await held(shards, key);
    t.equal(new Set(parts.flat()).size, 3000, 'the union is everything');
    t.equal(parts.flat().length, 3000, 'no row is in two shards');
    for (const part of parts) t.ok(Math.abs(part.length - 3000 / 7) <= 0.2 * (3000 / 7), `${part.length} rows`);
  });
}

t.test('rows inserted later, also outside the old smallest and largest key, belong to exactly one shard', async (t) => {
  await db.run('DROP TABLE IF EXISTS cut');
  await db.run('CREATE TABLE cut (id BIGINT PRIMARY KEY, update_at DATETIME(6) NOT NULL, KEY (update_at))');
  await db.run("INSERT INTO cut SELECT seq * 10, '2024-01-01' FROM seq_1_to_500");
  const text = demandCode(await plan([`${db.name}.cut`, '-n', '4'])).stdout.toString();
  const shards = parseShards(text);
  await db.run("INSERT INTO cut SELECT CAST(seq * 3 AS SIGNED) - 4999999, '2024-01-02' FROM seq_1_to_200");
  await db.run("INSERT INTO cut SELECT seq * 10 + 5, '2024-01-02' FROM seq_1_to_700");
  const parts = await held(shards, 'id');
  t.equal(parts.flat().length, 1400);
  t.equal(new Set(parts.flat()).size, 1400);

  writeFileSync(join(folder, 'plan.ndjson'), text);
  const read: unknown[] = [];
  for (let i = 0; i < 4; i += 1) {
    const words = [`${db.name}.cut`, '--plan', join(folder, 'plan.ndjson')];
    const { rows, end, ended } = await extract([...words, '--shard', i === 3 ? 'auto' : `${i}/4`], {
      JOB_COMPLETION_INDEX: '3',
    });
    demandCode(ended);
    t.match(end, { status: 'complete', rows: parts[i]?.length, until: { value: shards[0]?.until ?? '' } });
    read.push(...rows.map((row) => row.id));
  }
  t.same(new Set(read.map(String)), new Set(parts.flat()), 'mysql-extract reads the same rows');
});

t.test('more shards than rows: the rest are empty, and the last with rows stays open', async (t) => {
  await db.run('DROP TABLE IF EXISTS cut');
  await db.run('CREATE TABLE cut (id INT PRIMARY KEY)');
  for (const rows of [0, 1, 3]) {
    await db.run('DELETE FROM cut');
    if (rows > 0) await db.run(`INSERT INTO cut SELECT seq FROM seq_1_to_${rows}`);
    const shards = parseShards(
      demandCode(await plan([`${db.name}.cut`, '-n', '5', '--cursor', 'id'])).stdout.toString(),
    );
    await db.run('INSERT INTO cut VALUES (-100), (100)');
    const all = (
      await held(
        shards.map((shard) => ({ ...shard, until: null })),
        'id',
      )
    ).flat();
    t.equal(all.length, rows + 2, `${rows} rows, 5 shards`);
    t.equal(new Set(all).size, rows + 2);
  }
});

t.test('a plan that was cut, edited or made for something else is refused', async (t) => {
  await db.run('DROP TABLE IF EXISTS cut');
  await db.run('CREATE TABLE cut (id INT PRIMARY KEY)');
  await db.run('INSERT INTO cut SELECT seq FROM seq_1_to_100');
  const lines = demandCode(await plan([`${db.name}.cut`, '-n', '4', '--cursor', 'none']))
    .stdout.toString()
    .trim()
    .split('\n');
  for (let line = 0; line < 4; line += 1)
    t.throws(() => parseShards(lines.filter((_, i) => i !== line).join('\n')), /plan/);
  t.throws(() => parseShards(lines.toReversed().join('\n')), /plan/);
  t.throws(() => parseShards(lines.join('\n').replace('"26"', '"27"')), /plan/);
  t.throws(() => parseShards(''), /plan/);
  writeFileSync(join(folder, 'cut.ndjson'), lines.join('\n'));
  await db.run('CREATE TABLE other (id INT PRIMARY KEY)');
  const wrong = await extract([`${db.name}.other`, '--shard', '0/4', '--plan', join(folder, 'cut.ndjson')]);
  t.equal(wrong.ended.code, 65);
  const outside = await extract([`${db.name}.cut`, '--shard', '4/4', '--plan', join(folder, 'cut.ndjson')]);
  t.equal(outside.ended.code, 64);
  t.equal((await extract([`${db.name}.cut`, '--shard', '0/4'])).ended.code, 64);
});
