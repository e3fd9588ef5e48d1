/** Who else is there while rs-copy loads: readers, views and grants, a second loader. On PostgreSQL and on the double. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import t, { type Test } from 'tap';
import type { Receipt } from '../../src/receipt.js';
import { redshiftScene } from '../fault/redshift-scene.js';
import { jsonLines } from '../support/json-lines.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';
import { receiptStream } from './objects.js';
import { type Row, orders } from './rows.js';

t.setTimeout(180_000);
// Mostly waiting.
t.jobs = 2;
const folder = mkdtempSync(join(tmpdir(), 'bystanders-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

interface Target {
  schema: string;
  env: Readonly<Record<string, string>>;
  publish: (receipt: Receipt) => Promise<Receipt>;
  /** As a user asks. */
  sql: pg.Pool;
  /** The server itself: for the double, the one behind it. */
  behind: pg.Pool;
}

async function postgres(t: Test): Promise<Target> {
  const url = servers().warehouseUrl;
  const sql = new pg.Pool({ connectionString: url });
  const schema = `bystanders_${process.pid}`;
  await sql.query(`CREATE SCHEMA ${schema}`);
  t.teardown(async () => {
    await sql.query(`DROP SCHEMA ${schema} CASCADE`);
    await sql.end();
  });
  const env = { TABLEPIPE_WAREHOUSE_URL: url };
  return { schema, env, publish: (receipt) => Promise.resolve(receipt), sql, behind: sql };
}

async function redshift(t: Test): Promise<Target> {
  const { cluster, other, schema } = await redshiftScene(t, folder);
  const sql = new pg.Pool({ connectionString: cluster.double.url });
  const behind = new pg.Pool({ connectionString: cluster.behind });
  for (const pool of [sql, behind]) {
    pool.on('error', () => {});
    t.teardown(() => pool.end());
  }
  return { schema, env: { ...other.env, TABLEPIPE_WAREHOUSE_URL: other.url }, publish: other.publish, sql, behind };
}

interface Load {
  table: string;
  rows: readonly Row[];
  words?: readonly string[];
  failpoints?: string;
}

async function delivery({ publish }: Target, rows: readonly Row[]): Promise<string> {
  const receipt = await publish(orders(folder, rows, 0, { read: 'snapshot', to: [String(Math.random())] }));
  return receiptStream([receipt], 'snapshot');
}

function loaded(
  { schema, env }: Target,
  { table, words = [], failpoints = '' }: Omit<Load, 'rows'>,
  stdin: string,
): Promise<Ended> {
  const around = { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: failpoints, HOME: folder };
  return run('rs-copy', [`${schema}.${table}`, '--create', ...words], { env: around, stdin });
}

async function load(target: Target, { rows, ...rest }: Load): Promise<Ended> {
  return loaded(target, rest, await delivery(target, rows));
}

async function names(target: Target, relation: string): Promise<string> {
  const text = `SELECT name FROM ${target.schema}.${relation} ORDER BY id`;
  const { rows } = await target.sql.query<[string]>({ text, rowMode: 'array' });
  return rows.join();
}

const OLD: readonly Row[] = [
  [1, 'old', 1],
  [2, 'old', 1],
];
const NEW: readonly Row[] = [
  [2, 'new', 2],
  [3, 'new', 2],
  [4, 'new', 2],
];

/** Reads all the time while a snapshot replaces another, slowly. */
async function readers(t: Test, target: Target): Promise<void> {
  const table = 'read';
  const words = ['--mode', 'replace'];
  demandCode(await load(target, { table, rows: OLD, words }));
  const seen = new Map<string, number>();
  let over = false;
  const reading = (async () => {
    while (!over) {
      const found = await names(target, table);
      seen.set(found, (seen.get(found) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  const failpoints = 'rs-copy.after-copy=delay:300,rs-copy.before-commit=delay:300,rs-copy.after-commit=delay:300';
  demandCode(await load(target, { table, rows: NEW, words, failpoints }));
  over = true;
  await reading;
  t.same([...seen.keys()], ['old,old', 'new,new,new'], `${[...seen.values()].join(' and ')} reads`);
}

/** What hangs on a table: it stays the same table, in every mode. */
async function dependents(t: Test, target: Target): Promise<void> {
  const { schema, sql, behind } = target;
  const table = 'hung';
  demandCode(await load(target, { table, rows: OLD }));
  await sql.query(`CREATE VIEW ${schema}.hung_view AS SELECT id, name FROM ${schema}.${table}`);
  await sql.query(`GRANT SELECT ON ${schema}.${table} TO PUBLIC`);
  const state = async (): Promise<unknown> => {
    const text = `SELECT c.oid::int, c.relacl::text, (SELECT count(*)::int FROM pg_depend d WHERE d.refobjid = c.oid) AS hanging
      FROM pg_class c WHERE c.oid = '${schema}.${table}'::regclass`;
    return (await behind.query(text)).rows;
  };
  const before = await state();
  t.match(JSON.stringify(before), '=r/', 'granted');
  for (const mode of ['upsert', 'replace', 'append']) {
    const rows = NEW.map(([id, name, at]) => [id, `${name} ${mode}`, at] as const);
    demandCode(await load(target, { table, rows: mode === 'append' ? [[9, mode, 3]] : rows, words: ['--mode', mode] }));
    t.same(await state(), before, mode);
    t.match(await names(target, 'hung_view'), mode, 'the view shows what came');
  }
}

/** A second loader of the same objects while the first is at work. */
async function secondLoader(t: Test, target: Target): Promise<void> {
  const { schema, behind } = target;
  const table = 'raced';
  const words = ['--mode', 'append'];
  demandCode(await load(target, { table, rows: OLD, words }));
  const stdin = await delivery(target, NEW);
  const first = loaded(target, { table, words, failpoints: 'rs-copy.after-copy=delay:4000' }, stdin);
  const lock = `SELECT 1 FROM pg_locks WHERE granted AND relation = '${schema}._tablepipe_ledger_${table}'::regclass AND mode IN ('ShareRowExclusiveLock', 'AccessExclusiveLock')`;
  while ((await behind.query(lock)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const [impatient, patient] = await Promise.all([
    loaded(target, { table, words: [...words, '--lock-timeout', '300ms'] }, stdin),
    loaded(target, { table, words }, stdin),
  ]);
  demandCode(impatient, 75);
  t.match(impatient.stderr, /--lock-timeout/, 'one that may not wait stops');
  t.match(jsonLines(demandCode(patient).stdout), [{ status: 'already_loaded', already_loaded: 1 }, { type: 'end' }]);
  t.match(jsonLines(demandCode(await first).stdout), [{ status: 'loaded', rows: 3, attempts: 1 }, { type: 'end' }]);
  const found = (await names(target, table)).split(',').sort().join();
  t.equal(found, 'new,new,new,old,old', 'one copy of each row');
}

const TARGETS = { PostgreSQL: postgres, 'the double of Redshift': redshift };

for (const [name, open] of Object.entries(TARGETS)) {
  t.test(name, async (t) => {
    const target = await open(t);
    await t.test('readers see the old rows or the new ones', (t) => readers(t, target));
    await t.test('views, grants and what else hangs on the table survive', (t) => dependents(t, target));
    await t.test('a second loader waits, or stops with 75', (t) => secondLoader(t, target));
  });
}
