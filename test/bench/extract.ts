/**
 * `make bench-extract`: our decoder against the floor (the same query read from the socket and dropped), the
 * `mariadb` client and mysql2's row stream, alternating in one run, each in a process of its own. Prints a Markdown
 * table of medians and ratios; what counts is the ratio, since the machine is rarely idle.
 *
 *     TABLEPIPE_MYSQL_URL=… node dist/test/bench/extract.js [ROUNDS [ROWS]]
 */
import { execFile } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import { mariadbClientProgram } from '../support/mariadb.js';
import { TABLES, createBenchTable } from './extract-tables.js';

interface Cost {
  ms: number;
  cpuMs: number;
  rssMiB: number;
}

const READER = fileURLToPath(new URL('./extract-reader.js', import.meta.url));
const DATABASE = 'tablepipe_bench';
const [, , rounds = '3', rows = '2000000'] = process.argv;
const url = new URL(process.env.TABLEPIPE_MYSQL_URL ?? 'mysql://root@127.0.0.1/');
url.pathname = `/${DATABASE}`;

async function node(reader: string, sql: string): Promise<Cost> {
  const env = { ...process.env, TABLEPIPE_MYSQL_URL: url.href };
  const { stdout } = await promisify(execFile)(process.execPath, [READER, reader, sql], { env });
  return JSON.parse(stdout) as Cost;
}

/** `mariadb --quick` to /dev/null; only its time is known. */
async function client(sql: string): Promise<Cost> {
  const { program, env } = await mariadbClientProgram();
  const how = ['--no-defaults', '--quick', '--batch', `--host=${url.hostname}`, `--port=${url.port || 3306}`];
  const words = [...how, `--user=${decodeURIComponent(url.username)}`, `--database=${DATABASE}`, `--execute=${sql}`];
  const quiet = ['-c', 'exec "$0" "$@" >/dev/null', program, ...words];
  const began = Date.now();
  await promisify(execFile)('sh', quiet, { env: { ...env, MYSQL_PWD: decodeURIComponent(url.password) } });
  return { ms: Date.now() - began, cpuMs: Number.NaN, rssMiB: Number.NaN };
}

const CONTENDERS: Readonly<Record<string, (sql: string) => Promise<Cost>>> = {
  floor: (sql) => node('floor', sql),
  'mariadb --quick': client,
  'mysql2 rows': (sql) => node('rows', sql),
  ours: (sql) => node('ours', sql),
};

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const server = await createConnection({ uri: url.href.replace(url.pathname, '/') });
await server.query(`CREATE DATABASE IF NOT EXISTS ${DATABASE}`);
await server.query(`USE ${DATABASE}`);
const run = async (sql: string): Promise<unknown> => (await server.query(sql))[0];
const [version] = (await run('SELECT VERSION() AS v')) as { v: string }[];
process.stdout.write(
  `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Node ${process.version}, ${version?.v}\n\n`,
);
process.stdout.write('| table | reader | wall s | CPU s | RSS MiB | × floor |\n|---|---|---|---|---|---|\n');
for (const table of TABLES) {
  const count = table === 'wide' ? Math.ceil(Number(rows) / 10) : Number(rows);
  const sql = `SELECT * FROM ${await createBenchTable(run, table, count)}`;
  const costs = new Map<string, Cost[]>(Object.keys(CONTENDERS).map((name) => [name, []]));
  for (let round = 0; round < Number(rounds); round += 1) {
    for (const [name, read] of Object.entries(CONTENDERS)) costs.get(name)?.push(await read(sql));
  }
  const floor = costs.get('floor')?.map(({ ms }) => ms) ?? [];
  for (const [name, each] of costs) {
    // Each round's own floor: what slowed one reader of a round slowed its neighbour.
    const ratio = median(each.map(({ ms }, round) => ms / (floor[round] ?? Number.NaN)));
    const cells = [median(each.map(({ ms }) => ms / 1000)), median(each.map(({ cpuMs }) => cpuMs / 1000))].map((n) =>
      Number.isNaN(n) ? '–' : n.toFixed(2),
    );
    const rss = median(each.map(({ rssMiB }) => rssMiB));
    process.stdout.write(
      `| ${table}, ${count} rows | ${name} | ${cells.join(' | ')} | ${Number.isNaN(rss) ? '–' : rss.toFixed(0)} | ${ratio.toFixed(2)} |\n`,
    );
  }
}
await server.end();
