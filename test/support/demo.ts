/**
 * `make demo`: the pipeline on real servers, twice, with the proof that nothing was lost, repeated or left stale.
 * Starts MariaDB, PostgreSQL and an S3 store in a temporary folder and leaves nothing behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Connection, createConnection } from 'mysql2/promise';
import pg from 'pg';
import { type Bed, startBed } from './bed.js';
import { compareTables, equalTables } from './oracle.js';
import { BIN } from './program.js';
import { addCustomers, addOrders, changeOrders, createShop } from './shop.js';
import { jsonLines } from './json-lines.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const script = 'examples/one-table.sh';
const bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;
const title = (text: string): void => void process.stdout.write(`\n${bold(text)}\n`);
const say = (text: string): void => void process.stdout.write(`  ${text}\n`);
const count = (number: number): string => number.toLocaleString('en-US');
const secondsSince = (start: number): string => `${((performance.now() - start) / 1000).toFixed(1)} s`;

let bed: Bed | undefined;
let ending: Promise<void> | undefined;
const end = (): Promise<void> => (ending ??= bed?.stop() ?? Promise.resolve());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void end().then(() => process.kill(process.pid, signal)));
}

const start = performance.now();
try {
  title('1. Servers');
  bed = await startBed({ mysql: true, warehouse: true, s3: true, say });
  say(`${bed.labels.join(', ')}, in ${secondsSince(start)}`);
  await demonstrate(bed.env);
} finally {
  await end();
}
title(`Done in ${secondsSince(start)}; the servers are stopped and their data is gone.`);

async function demonstrate(env: Readonly<Record<string, string>>): Promise<void> {
  const mysql = await createConnection({ uri: env.TABLEPIPE_MYSQL_URL ?? '', multipleStatements: true });
  const warehouse = new pg.Client({ connectionString: env.TABLEPIPE_WAREHOUSE_URL });
  await warehouse.connect();
  const sql = (text: string): Promise<unknown> => mysql.query(text);
  try {
    title('2. A shop with 200,000 orders in MySQL');
    const filling = performance.now();
    await createShop(sql);
    await addCustomers(sql, 1, 5_000);
    await addOrders(sql, 1, 200_000);
    say(`shop.orders filled in ${secondsSince(filling)}`);

    title('3. The pipeline: everything is new');
    process.stdout.write(pipelineOf(script));
    await move(env);
    await prove(mysql, warehouse);

    title('4. The shop goes on: every 100th order changes, 5,000 new ones arrive');
    await changeOrders(sql, 100);
    await addOrders(sql, 200_001, 205_000, 'NOW(6)', 0);
    say('waiting 3 s: rows younger than 2 s may still be changing, so the pipeline leaves them for the next run');
    await new Promise((resolve) => setTimeout(resolve, 3_000));

    title('5. The same line again: only what changed moves');
    await move(env);
    await prove(mysql, warehouse);

    title('6. And again, with nothing to do');
    await move(env);

    title('7. The watermark');
    const { stdout } = await bash('wm get shop.orders --format env; wm history shop.orders', env);
    for (const line of stdout.trimEnd().split('\n')) say(line);
  } finally {
    await mysql.end();
    await warehouse.end();
  }
}

/** The part of the script that a person would type. */
function pipelineOf(file: string): string {
  const text = readFileSync(`${root}/${file}`, 'utf8');
  return (
    text
      .slice(text.indexOf('\nmysql-extract') + 1)
      .replaceAll(/^/gm, '    ')
      .trimEnd() + '\n'
  );
}

/** Runs the script and says what moved: the load results on its stdout tell. */
async function move(env: Readonly<Record<string, string>>): Promise<void> {
  const moving = performance.now();
  const { stdout } = await bash(`${script} shop.orders analytics.orders`, { ...env, SPLIT_SIZE: '2MiB' });
  const lines = jsonLines(stdout);
  const last = lines.findLast((line) => line.type === 'end');
  say(bold(`${count(Number(last?.rows))} rows in ${Number(last?.objects)} files moved in ${secondsSince(moving)}`));
}

/** Throws unless source and target hold the same rows. */
async function prove(mysql: Connection, warehouse: pg.Client): Promise<void> {
  const [from, to] = [
    { schema: 'shop', table: 'orders' },
    { schema: 'analytics', table: 'orders' },
  ];
  const verdict = await compareTables(mysql, from, warehouse, to, ['id']);
  if (!equalTables(verdict)) throw new Error(`source and target differ: ${JSON.stringify(verdict)}`);
  say(
    `proof: ${count(verdict.source)} rows in MySQL, ${count(verdict.target)} in PostgreSQL, every column of every row equal`,
  );
}

async function bash(line: string, env: Readonly<Record<string, string>>): Promise<{ stdout: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', line], {
    cwd: root,
    env: { PATH: `${BIN}:${process.env.PATH}`, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += String(chunk)));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0) throw new Error(`${line}: ended with ${code ?? signal}`);
  return { stdout };
}
