/**
 * `make bench-extract`: our decoder and `mysql-extract` itself against the floor (the same query read from the socket
 * and dropped), the `mariadb` client and mysql2's row stream, alternating in one run, each in a process of its own.
 * Prints Markdown tables of medians; what counts is the ratio, since the machine is rarely idle.
 *
 *     TABLEPIPE_MYSQL_URL=… node dist/test/bench/extract.js [ROUNDS [ROWS [TABLE …]]]
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { mariadbClientProgram } from '../support/mariadb.js';
import { BIN } from '../support/program.js';
import { type BenchTable, TABLES, createBenchTable } from './extract-tables.js';

interface Cost {
  /** From the statement to its last byte; of a program from its start to its end. */
  ms: number;
  cpuMs: number;
  rssMiB: number;
  /** Of a reader of ours, from the start of its process: what a program is compared with. */
  processMs?: number;
}

const READER = fileURLToPath(new URL('./extract-reader.js', import.meta.url));
const USAGE = new URL('./usage.js', import.meta.url).href;
const DATABASE = 'tablepipe_bench';
const [, , rounds = '3', rows = '2000000', ...only] = process.argv;
const url = new URL(process.env.TABLEPIPE_MYSQL_URL ?? 'mysql://root@127.0.0.1/');
url.pathname = `/${DATABASE}`;
const env = { ...process.env, TABLEPIPE_MYSQL_URL: url.href };
const folder = mkdtempSync(join(tmpdir(), 'tablepipe-bench-'));

async function reader(name: string, sql: string): Promise<Cost> {
  const { stdout } = await promisify(execFile)(process.execPath, [READER, name, sql], { env });
  return JSON.parse(stdout) as Cost;
}

/** Runs a shell line with its output to /dev/null. */
async function quiet(words: readonly string[], variables: NodeJS.ProcessEnv): Promise<number> {
  const began = Date.now();
  await promisify(execFile)('sh', ['-c', 'exec "$0" "$@" >/dev/null', ...words], { env: variables });
  return Date.now() - began;
}

/** `mariadb --quick` to /dev/null; only its time is known. */
async function client(sql: string): Promise<Cost> {
  const found = await mariadbClientProgram();
  const how = ['--no-defaults', '--quick', '--batch', `--host=${url.hostname}`, `--port=${url.port || 3306}`];
  const words = [...how, `--user=${decodeURIComponent(url.username)}`, `--database=${DATABASE}`, `--execute=${sql}`];
  const variables = { ...found.env, MYSQL_PWD: decodeURIComponent(url.password) };
  return { ms: await quiet([found.program, ...words], variables), cpuMs: Number.NaN, rssMiB: Number.NaN };
}

/** The program as people run it, from its start to its end. */
async function program(words: readonly string[]): Promise<Cost> {
  const path = join(folder, 'usage.json');
  const line = [process.execPath, '--import', USAGE, `${BIN}mysql-extract`, ...words, '--format', 'arrow'];
  await quiet(line, { ...env, TABLEPIPE_BENCH_USAGE: path });
  return JSON.parse(readFileSync(path, 'utf8')) as Cost;
}

type Contender = [name: string, floor: string, run: () => Promise<Cost>];

/** In primary-key order, which is the order a plain SELECT comes in. */
function inKeyOrder(table: string): Contender[] {
  const sql = `SELECT * FROM ${table}`;
  return [
    ['floor', 'floor', () => reader('floor', sql)],
    ['mariadb --quick', 'floor', () => client(sql)],
    ['mysql2 rows', 'floor', () => reader('rows', sql)],
    ['decoder', 'floor', () => reader('ours', sql)],
    ['mysql-extract', 'floor', () => program([table, '--cursor', 'none'])],
  ];
}

/** In cursor order: the floor is the unbounded ordered query, as the server likes it and along the index. */
function inCursorOrder(table: string): Contender[] {
  const order = 'ORDER BY update_at, id';
  const read = [table, '--cursor', 'update_at,id', '--order', 'cursor', '--parallel'];
  return [
    ['floor', 'floor', () => reader('floor', `SELECT * FROM ${table} ${order}`)],
    [
      'floor along the index',
      'floor',
      () => reader('floor', `SELECT * FROM ${table} FORCE INDEX (cursor_order) ${order}`),
    ],
    ['mysql-extract --parallel 1', 'floor', () => program([...read, '1'])],
    ['mysql-extract --parallel 2', 'floor', () => program([...read, '2'])],
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function compare(title: string, contenders: readonly Contender[]): Promise<void> {
  const costs = new Map<string, Cost[]>(contenders.map(([name]) => [name, []]));
  for (let round = 0; round < Number(rounds); round += 1) {
    for (const [name, , run] of contenders) costs.get(name)?.push(await run());
  }
  for (const [name, against] of contenders) {
    const each = costs.get(name) ?? [];
    // Each round's own floor: what slowed one reader of a round slowed its neighbour.
    const ratio = median(each.map((cost, round) => ratioOf(cost, costs.get(against)?.[round])));
    const cell = (value: number, digits: number): string => (Number.isNaN(value) ? '–' : value.toFixed(digits));
    const of = (key: 'ms' | 'cpuMs' | 'rssMiB', scale: number): number => median(each.map((cost) => cost[key] / scale));
    const cells = [cell(of('ms', 1000), 2), cell(of('cpuMs', 1000), 2), cell(of('rssMiB', 1), 0), cell(ratio, 2)];
    process.stdout.write(`| ${title} | ${name} | ${cells.join(' | ')} |\n`);
  }
}

/** A program is compared from its start to its end, so its floor is too. */
function ratioOf(cost: Cost, floor: Cost | undefined): number {
  const whole = cost.processMs === undefined && !Number.isNaN(cost.cpuMs);
  return cost.ms / ((whole ? floor?.processMs : floor?.ms) ?? Number.NaN);
}

const server = await createConnection({ uri: url.href.replace(url.pathname, '/') });
await server.query(`CREATE DATABASE IF NOT EXISTS ${DATABASE}`);
await server.query(`USE ${DATABASE}`);
const run = async (sql: string): Promise<unknown> => (await server.query(sql))[0];
const [version] = (await run('SELECT VERSION() AS v')) as { v: string }[];
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}, ${version?.v}`;
process.stdout.write(
  `${new Date().toISOString().slice(0, 16)}, ${machine}, load ${loadavg()[0]?.toFixed(1)}, ${rounds} rounds\n\n` +
    '| table | reader | wall s | CPU s | RSS MiB | × floor |\n|---|---|---|---|---|---|\n',
);
try {
  const wanted = (table: BenchTable | 'memory'): boolean => only.length === 0 || only.includes(table);
  for (const table of TABLES.filter(wanted)) {
    const count = table === 'wide' ? Math.ceil(Number(rows) / 10) : Number(rows);
    const name = `${DATABASE}.${await createBenchTable(run, table, count)}`;
    await compare(`${table}, ${count} rows, by key`, inKeyOrder(name));
    if (table === 'mixed') await compare(`${table}, ${count} rows, by cursor`, inCursorOrder(name));
  }
  if (wanted('memory')) {
    const name = `${DATABASE}.${await createBenchTable(run, 'narrow', Number(rows))}`;
    for (const times of [1, 10]) {
      const sql = `SELECT n.* FROM ${DATABASE}.seq_1_to_${times} CROSS JOIN ${name} AS n`;
      const read = (): Promise<Cost> => program(['bench.rows', '--query', sql, '--cursor', 'none']);
      await compare(`narrow, ${times * Number(rows)} rows`, [['mysql-extract', 'mysql-extract', read]]);
    }
  }
} finally {
  await server.end();
  rmSync(folder, { recursive: true });
}
