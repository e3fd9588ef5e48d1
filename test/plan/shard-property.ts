/** What holds for every plan of shards, tried on a random table. */
import type { Test } from 'tap';
import { type Shard, parseShards, shardCondition } from '../../src/plan/shards.js';
import { demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';
import { Random } from '../torture/random.js';
import { KINDS } from './key-sets.js';
import type { Scratch } from './scratch.js';

/**
 * Makes the table `cut` of a kind, plans it with mysql-shards and checks: the shards hold the same number of rows
 * within 20 % (or one row, where a share is a handful), every row is in one of them, and so is every row that comes
 * later, below the smallest key, above the largest and between.
 */
export async function checkPlan(t: Test, db: Scratch, kind: string, seed: string): Promise<void> {
  const random = new Random(`${seed} ${kind}`);
  const make = KINDS[kind];
  if (!make) throw new Error(`no kind ${kind}`);
  const { definition, rows, late } = make(random, random.whole(1, 6) ** 2 * 100, db.mariadb);
  const of = random.pick([2, 3, 7, 10, 16, random.whole(2, 40), 5 * random.whole(20, 40)]);
  await db.run('DROP TABLE IF EXISTS cut');
  await db.run(`CREATE TABLE cut (${definition}) ENGINE=InnoDB`);
  await db.run('INSERT IGNORE INTO cut VALUES ?', [rows]);
  // What the server believes to know about the table is then wrong.
  if (random.chance(0.5)) await db.run(`DELETE FROM cut LIMIT ${Math.floor((rows.length * random.fraction()) / 2)}`);

  const env = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: '/nonexistent' };
  const ended = demandCode(await run('mysql-shards', [`${db.name}.cut`, '-n', `${of}`, '--cursor', 'none'], { env }));
  const shards = parseShards(ended.stdout.toString());
  const before = await held(db, shards);
  const share = before.total / of;
  const name = `${kind} (${definition}), ${before.total} rows in ${of} shards`;
  const unequal = before.rows.filter((rows) => Math.abs(rows - share) > Math.max(0.2 * share, 1));
  t.same([unequal, before.astray], [[], 0], `${name}: everything once, within 20 %`);
  t.same(
    before.rows,
    shards.map((shard) => shard.rows),
    'as many rows as the plan says',
  );
  await db.run('INSERT IGNORE INTO cut VALUES ?', [late]);
  const after = await held(db, shards);
  t.ok(after.total > before.total, 'rows came later');
  t.equal(after.astray, 0, `${after.total - before.total} later rows: each in one shard`);
}

/** Rows of each shard as its reader finds them, of the table, and of it those that are not in exactly one shard. */
async function held(db: Scratch, shards: readonly Shard[]): Promise<{ rows: number[]; total: number; astray: number }> {
  const conditions = shards.map(shardCondition);
  const rows: number[] = [];
  for (const { sql, values } of conditions) {
    const [row] = await db.run(`SELECT COUNT(*) AS n FROM cut FORCE INDEX (PRIMARY) WHERE ${sql}`, [...values]);
    rows.push(Number(row?.n));
  }
  const times = conditions.map(({ sql }) => `(${sql})`).join(' + ');
  const [row] = await db.run(
    `SELECT COUNT(*) AS total, COALESCE(SUM(NOT ((${times}) <=> 1)), 0) AS astray FROM cut`,
    conditions.flatMap(({ values }) => values),
  );
  const [total, astray] = [Number(row?.total), Number(row?.astray)];
  // Both ways of asking must agree: rows by range of the index, and row by row.
  return { rows, total, astray: astray + Math.abs(total - rows.reduce((sum, each) => sum + each, 0)) };
}
