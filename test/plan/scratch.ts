/** A database of its own for one test file, and ways to read its tables with our programs. */
import type { Connection } from 'mysql2/promise';
import { type EndRecord, endRecordOfLine } from '../../src/end-record.js';
import { type Ended, run } from '../support/program.js';
import { connectSource, servers } from '../support/servers.js';

export interface Scratch {
  /** The name of the database. */
  name: string;
  mariadb: boolean;
  sql: Connection;
  /** Runs one statement. */
  run(sql: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  drop(): Promise<void>;
}

/** Creates the database and connects to it. */
export async function scratch(prefix: string): Promise<Scratch> {
  const name = `${prefix}_${process.pid}`;
  const first = await connectSource('');
  await first.query(`DROP DATABASE IF EXISTS ${name}`);
  await first.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  await first.end();
  const sql = await connectSource(name);
  const [version] = await sql.query('SELECT VERSION() AS version');
  const mariadb = JSON.stringify(version).includes('MariaDB');
  if (!mariadb) await sql.query('SET cte_max_recursion_depth = 10000000');
  return {
    name,
    mariadb,
    sql,
    run: async (text, values) =>
      (await sql.query(mariadb ? text : counted(text), values))[0] as unknown as Record<string, unknown>[],
    async drop() {
      await sql.query(`DROP DATABASE IF EXISTS ${name}`);
      await sql.end();
    },
  };
}

/** MariaDB's tables of numbers, `seq_1_to_9`, as MySQL can say it. */
function counted(text: string): string {
  return text.replaceAll(
    /\bseq_([0-9]+)_to_([0-9]+)\b/g,
    '(WITH RECURSIVE s (seq) AS (SELECT $1 UNION ALL SELECT seq + 1 FROM s WHERE seq < $2) SELECT seq FROM s) AS numbers',
  );
}

export interface Extracted {
  ended: Ended;
  rows: Record<string, unknown>[];
  /** What closed the stream; undefined when nothing did. */
  end: EndRecord | undefined;
}

/** Runs mysql-extract and takes its NDJSON apart. */
export async function extract(words: readonly string[], env: Record<string, string> = {}): Promise<Extracted> {
  const around = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: '/nonexistent', ...env };
  const ended = await run('mysql-extract', [...words, '--format', 'ndjson'], { env: around });
  return { ended, ...taken(ended.stdout.toString()) };
}

/** Rows and end record of an NDJSON stream. */
export function taken(text: string): Pick<Extracted, 'rows' | 'end'> {
  const lines = text.split('\n').filter((line) => line !== '');
  const end = endRecordOfLine(lines.at(-1) ?? '');
  const rows = (end ? lines.slice(0, -1) : lines).map((line) => JSON.parse(line) as Record<string, unknown>);
  return { rows, end };
}
