/**
 * rs-copy into PostgreSQL against `psql \copy` of the same rows from a CSV file, alternating in one run: an upsert
 * into a new table with its primary key, an append, and an upsert over rows that are all there, as they are or all
 * changed. The last two also against what a person would write: \copy into a staging table, INSERT … ON CONFLICT.
 *
 *   node dist/test/bench/load.js [ROWS]      needs `make up` and `. .run/env`, and psql on the PATH
 */
import { execa } from 'execa';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BIN } from '../support/program.js';
import { connectSource, connectTarget, servers } from '../support/servers.js';
import { addOrders, createShop } from '../support/shop.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = 3;
const folder = mkdtempSync(join(tmpdir(), 'bench-load-'));
const name = `bench_load_${process.pid}`;
const { warehouseUrl, mysqlUrl } = servers();
const source = await connectSource();
const sql = await connectTarget();
const env = { ...process.env, TABLEPIPE_WAREHOUSE_URL: warehouseUrl, TABLEPIPE_MYSQL_URL: mysqlUrl };

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};

/** Runs rs-copy under GNU time; resolves to seconds and MiB. */
async function load(table: string, ...more: string[]): Promise<{ s: number; mib: number }> {
  await sql.query('CHECKPOINT');
  let mib = 0;
  const s = await seconds(async () => {
    const words = ['-f', '%M', process.execPath, `${BIN}rs-copy`, `${name}.${table}`, '--create', ...more];
    const { stderr } = await execa('/usr/bin/time', words, { env, inputFile: `${folder}/receipts.ndjson` });
    mib = Number(stderr.trim().split('\n').at(-1)) / 1024;
  });
  return { s, mib };
}

const psql = (command: string): Promise<unknown> => execa('psql', ['-q', '-X', warehouseUrl, '-c', command]);
/** The same upsert by hand: a temporary table like the target, \copy into it, one INSERT … ON CONFLICT, all in one transaction. */
async function byHand(table: string): Promise<number> {
  await sql.query('CHECKPOINT');
  const { rows: columns } = await sql.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = '${name}.${table}'::regclass AND attnum > 0`,
  );
  const set = columns.filter(({ name: one }) => one !== 'id').map(({ name: one }) => `${one} = EXCLUDED.${one}`);
  const steps = [
    'BEGIN',
    `CREATE TEMPORARY TABLE staged (LIKE ${name}.${table}) ON COMMIT DROP`,
    `\\copy staged from '${folder}/rows.csv' csv`,
    `INSERT INTO ${name}.${table} SELECT * FROM staged ON CONFLICT (id) DO UPDATE SET ${set.join(', ')}`,
    'COMMIT',
  ];
  return seconds(() => execa('psql', ['-q', '-X', warehouseUrl, ...steps.flatMap((step) => ['-c', step])]));
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1] ?? 0;

try {
  await source.query(`CREATE DATABASE ${name}`);
  await source.query(`USE ${name}`);
  const run = (statement: string): Promise<unknown> => source.query(statement);
  await createShop(run);
  await addOrders(run, 1, rows);
  await execa(
    'bash',
    [
      '-o',
      'pipefail',
      '-c',
      `"${BIN}mysql-extract" ${name}.orders | "${BIN}to-parquet" --split-size 32MiB | "${BIN}s3-put" "file://${folder}/" > "${folder}/receipts.ndjson"`,
    ],
    { env },
  );
  await load('model');
  await psql(`\\copy ${name}.model to '${folder}/rows.csv' csv`);
  const copied: number[] = [];
  const loads = { upsert: [] as number[], append: [] as number[], again: [] as number[], changed: [] as number[] };
  const hand = { again: [] as number[], changed: [] as number[] };
  const change = `UPDATE ${name}.loaded SET amount = amount + 1`;
  let mib = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await sql.query(`CREATE TABLE ${name}.copied (LIKE ${name}.model INCLUDING ALL)`);
    copied.push(await seconds(() => psql(`\\copy ${name}.copied from '${folder}/rows.csv' csv`)));
    const upsert = await load('loaded');
    loads.upsert.push(upsert.s);
    loads.append.push((await load('appended', '--mode', 'append')).s);
    hand.again.push(await byHand('loaded'));
    await sql.query(`VACUUM FULL ${name}.loaded`);
    loads.again.push((await load('loaded', '--ledger', `${name}.other`)).s);
    for (const [who, list] of [
      ['hand', hand.changed],
      ['ours', loads.changed],
    ] as const) {
      await sql.query(change);
      await sql.query(`VACUUM FULL ${name}.loaded`);
      list.push(who === 'hand' ? await byHand('loaded') : (await load('loaded', '--ledger', `${name}.third`)).s);
    }
    mib = Math.max(mib, upsert.mib);
    await sql.query(
      `DROP TABLE ${name}.copied, ${name}.loaded, ${name}.appended, ${name}._tablepipe_ledger_loaded, ${name}._tablepipe_ledger_appended, ${name}.other, ${name}.third`,
    );
    await sql.query('CHECKPOINT');
  }
  const base = median(copied);
  const line = (what: string, all: readonly number[]): string =>
    `| ${what} | ${median(all).toFixed(2)} s | ${(base / median(all)).toFixed(2)} |\n`;
  const text =
    `\n## rs-copy into PostgreSQL, ${rows} rows × 14 columns, median of ${ROUNDS}\n\n| | time | speed against \\copy |\n|---|---|---|\n` +
    line('psql \\copy from CSV, table with its primary key', copied) +
    line('rs-copy, upsert into a new table', loads.upsert) +
    line('rs-copy, append into a new table', loads.append) +
    line('rs-copy, upsert over rows that are all there', loads.again) +
    line('the same by hand: psql \\copy into staging, INSERT … ON CONFLICT', hand.again) +
    line('rs-copy, upsert over rows that are all changed', loads.changed) +
    line('the same by hand', hand.changed) +
    `\nPeak memory of rs-copy: ${mib.toFixed(0)} MiB.\n`;
  process.stdout.write(text);
  if (process.argv[3] === '--record') appendFileSync('test/bench/RESULTS.md', text);
} finally {
  await source.query(`DROP DATABASE IF EXISTS ${name}`);
  await sql.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
  await source.end();
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
}
