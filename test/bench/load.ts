/**
 * rs-copy into PostgreSQL against `psql \copy` of the same rows from a CSV file, alternating in one run: an upsert
 * into a new table with its primary key, an append, and an upsert over rows that are all there.
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
  let mib = 0;
  const s = await seconds(async () => {
    const words = ['-f', '%M', process.execPath, `${BIN}rs-copy`, `${name}.${table}`, '--create', ...more];
    const { stderr } = await execa('/usr/bin/time', words, { env, inputFile: `${folder}/receipts.ndjson` });
    mib = Number(stderr.trim().split('\n').at(-1)) / 1024;
  });
  return { s, mib };
}

const psql = (command: string): Promise<unknown> => execa('psql', ['-q', '-X', warehouseUrl, '-c', command]);
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
  const loads = { upsert: [] as number[], append: [] as number[], again: [] as number[] };
  let mib = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    await sql.query(`CREATE TABLE ${name}.copied (LIKE ${name}.model INCLUDING ALL)`);
    copied.push(await seconds(() => psql(`\\copy ${name}.copied from '${folder}/rows.csv' csv`)));
    await sql.query('CHECKPOINT');
    const upsert = await load('loaded');
    loads.upsert.push(upsert.s);
    await sql.query('CHECKPOINT');
    loads.append.push((await load('appended', '--mode', 'append')).s);
    await sql.query('CHECKPOINT');
    loads.again.push((await load('loaded', '--ledger', `${name}.other`)).s);
    mib = Math.max(mib, upsert.mib);
    await sql.query(
      `DROP TABLE ${name}.copied, ${name}.loaded, ${name}.appended, ${name}._tablepipe_ledger_loaded, ${name}._tablepipe_ledger_appended, ${name}.other`,
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
