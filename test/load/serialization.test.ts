/**
 * Serialization failures and deadlocks of a real PostgreSQL, provoked by a rival in the middle of a load: the whole
 * transaction again, at most ten times. So does the double of Redshift with its 1023.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import t, { type Test } from 'tap';
import { redshiftScene } from '../fault/redshift-scene.js';
import { race, survive } from '../fault/rs-copy-kill.js';
import { jsonLines } from '../support/json-lines.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { connectTarget, servers } from '../support/servers.js';
import { receiptStream } from './objects.js';
import { orders } from './rows.js';

t.setTimeout(180_000);
// Mostly waiting.
t.jobs = 5;
const folder = mkdtempSync(join(tmpdir(), 'serialization-'));
const schema = `serialization_${process.pid}`;
const sql = await connectTarget();
await sql.query(`CREATE SCHEMA ${schema}`);
t.teardown(async () => {
  await sql.query(`DROP SCHEMA ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});

/** The warehouse with an isolation level for every transaction of ours, as `ALTER ROLE … SET` would give it. */
function warehouse(isolation?: string): string {
  const url = new URL(servers().warehouseUrl);
  if (isolation !== undefined) url.searchParams.set('options', `-c default_transaction_isolation=${isolation}`);
  return url.href;
}

const ledgerOf = (table: string): string => `${schema}._tablepipe_ledger_${table}`;

interface Load {
  table: string;
  /** Of all its rows. */
  name: string;
  isolation?: string;
  failpoints?: string;
}

/** Loads rows 1 to 3. */
function load({ table, name, isolation, failpoints = '' }: Load): Promise<Ended> {
  const rows = [1, 2, 3].map((id) => [id, name, 1] as const);
  return run('rs-copy', [`${schema}.${table}`, '--create'], {
    env: {
      TABLEPIPE_WAREHOUSE_URL: warehouse(isolation),
      TABLEPIPE_UNSAFE_FAILPOINTS: failpoints,
      HOME: folder,
    },
    stdin: receiptStream([orders(folder, rows, 0, { to: [name] })]),
  });
}

async function contents(table: string): Promise<unknown[]> {
  return (await sql.query({ text: `SELECT id, name FROM ${schema}.${table} ORDER BY id`, rowMode: 'array' })).rows;
}

async function loadedObjects(table: string): Promise<number> {
  return (await sql.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${ledgerOf(table)}`)).rows[0]?.n ?? 0;
}

/** A rival's own session. */
async function rivalOf(t: Test): Promise<pg.Client> {
  const rival = await connectTarget();
  t.teardown(() => rival.end());
  return rival;
}

/** Resolves when a loader has copied its rows, holds the ledger, and rests at the failpoint; gives its transaction. */
async function copied(rival: pg.Client, table: string, not?: string): Promise<string> {
  const resting = `SELECT a.xact_start::text AS began FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.relation = '${ledgerOf(table)}'::regclass AND l.mode = 'ShareRowExclusiveLock' AND l.granted
      AND a.state = 'idle in transaction' AND a.query LIKE 'COPY %'`;
  for (;;) {
    const began = (await rival.query<{ began: string }>(resting)).rows[0]?.began;
    if (began !== undefined && began !== not) return began;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test('a row that changed after the snapshot: once more, and loaded once', async (t) => {
  const table = 'changed';
  demandCode(await load({ table, name: 'before' }));
  const rival = await rivalOf(t);
  const isolation = 'repeatable\\ read';
  const loading = load({ table, name: 'after', isolation, failpoints: 'rs-copy.after-copy=delay:700@1' });
  await copied(rival, table);
  await rival.query(`UPDATE ${schema}.${table} SET name = 'rival' WHERE id = 2`);
  const ended = demandCode(await loading);
  t.match(jsonLines(ended.stdout), [{ status: 'loaded', rows: 3, attempts: 2 }, { type: 'end' }]);
  t.match(ended.stderr, /attempt 1: could not serialize access/);
  t.same(await contents(table), [
    [1, 'after'],
    [2, 'after'],
    [3, 'after'],
  ]);
  t.equal(await loadedObjects(table), 2);
});

t.test('every time: after ten attempts 75, nothing changed, and a rerun loads it', async (t) => {
  const table = 'contested';
  demandCode(await load({ table, name: 'before' }));
  const rival = await rivalOf(t);
  const failpoints = 'rs-copy.after-copy=delay:300@0';
  const loading = load({ table, name: 'after', isolation: 'serializable', failpoints });
  let [over, rounds] = [false, 0];
  const given = loading.finally(() => (over = true));
  const contest = async (): Promise<void> => {
    for (let seen: string | undefined; !over; rounds += 1) {
      const next = await Promise.race([copied(rival, table, seen), given]);
      if (typeof next !== 'string') return;
      seen = next;
      await rival.query(`UPDATE ${schema}.${table} SET name = 'rival' WHERE id = 2`);
    }
  };
  const contesting = contest();
  const ended = demandCode(await loading, 75);
  await contesting.catch(() => {});
  t.equal(rounds, 10, 'ten attempts were contested, and there was no eleventh');
  t.match(ended.stderr, /after 10 attempts/);
  t.match(ended.stderr, /Running the same line again is safe/);
  t.match(jsonLines(ended.stdout), [{ type: 'end', status: 'aborted', code: 75, rows: 0 }]);
  t.same(await contents(table), [
    [1, 'before'],
    [2, 'rival'],
    [3, 'before'],
  ]);
  t.equal(await loadedObjects(table), 1);
  demandCode(await load({ table, name: 'after', isolation: 'serializable' }));
  t.equal(await loadedObjects(table), 2);
});

t.test('a deadlock with somebody else', async (t) => {
  const table = 'crossed';
  demandCode(await load({ table, name: 'before' }));
  const rival = await rivalOf(t);
  // The server cancels the one who looks first, and that is to be the loader.
  await rival.query("BEGIN; SET LOCAL deadlock_timeout = '60s'");
  await rival.query(`UPDATE ${schema}.${table} SET name = 'rival' WHERE id = 2`);
  const loading = load({ table, name: 'after', failpoints: 'rs-copy.after-copy=delay:700@1' });
  const watcher = await rivalOf(t);
  await copied(watcher, table);
  await rival.query(`LOCK TABLE ${ledgerOf(table)}`);
  await rival.query('COMMIT');
  const ended = demandCode(await loading);
  t.match(jsonLines(ended.stdout), [{ status: 'loaded', rows: 3, attempts: 2 }, { type: 'end' }]);
  t.match(ended.stderr, /attempt 1: deadlock detected/);
  t.same(await contents(table), [
    [1, 'after'],
    [2, 'after'],
    [3, 'after'],
  ]);
  t.equal(await loadedObjects(table), 2);
});

t.test('1023 of the double every time: the same', async (t) => {
  const { cluster, other } = await redshiftScene(t, folder);
  const env = { ...other.env, TABLEPIPE_WAREHOUSE_URL: other.url };
  const loading = async (name: string): Promise<Ended> => {
    const receipt = await other.publish(orders(folder, [[1, name, 1]], 0, { to: [name] }));
    return run('rs-copy', ['killed.contested', '--create'], { env, stdin: receiptStream([receipt]) });
  };
  const count = (table: string): Promise<string | null | undefined> =>
    cluster.value(`SELECT count(*) FROM killed.${table}`);
  demandCode(await loading('before'));
  const { faults } = cluster.double;
  faults.inject1023AtCommit(1_000);
  const ended = demandCode(await loading('after'), 75);
  t.equal(faults.fired.inject1023AtCommit, 10, 'ten commits, and no eleventh');
  t.match(ended.stderr, /another transaction changed the same tables \[1023\] \(after 10 attempts\)/);
  t.equal(await cluster.value('SELECT name FROM killed.contested'), 'before');
  t.equal(await count('_tablepipe_ledger_contested'), '1');
  faults.inject1023AtCommit(0);
  demandCode(await loading('after'));
  t.equal(await cluster.value('SELECT name FROM killed.contested'), 'after');
  t.equal(await count('_tablepipe_ledger_contested'), '2');
});

t.test('six loaders at once, every transaction serializable', async (t) => {
  const other = { url: warehouse('serializable'), env: {}, publish: <R>(receipt: R) => Promise.resolve(receipt) };
  await survive({ sql, folder, schema, other }, 'raced', 'upsert', race(6));
  t.pass('each object once');
});
