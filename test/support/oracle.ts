/**
 * Says whether a warehouse table holds exactly the rows of a MySQL table: nothing lost, nothing twice,
 * nothing stale. Both sides are rendered to text by their own servers, without a line of the code under test.
 */
import { createHash } from 'node:crypto';
import type { Connection } from 'mysql2/promise';
import type { Client } from 'pg';

export interface Verdict {
  source: number;
  target: number;
  lost: string[];
  twice: string[];
  stale: string[];
  unexpected: string[];
}

/** True when the two tables hold the same multiset of rows. */
export function equalTables(verdict: Verdict): boolean {
  const { source, target, lost, twice, stale, unexpected } = verdict;
  return source === target && lost.length + twice.length + stale.length + unexpected.length === 0;
}

interface Column {
  name: string;
  type: string;
}

/** Compares by primary key `key`; the lists of the verdict hold at most 20 keys each. */
export async function compareTables(
  mysql: Connection,
  source: { schema: string; table: string },
  pg: Client,
  target: { schema: string; table: string },
  key: readonly string[],
): Promise<Verdict> {
  const columns = await sourceColumns(mysql, source);
  const wanted = new Map<string, string>();
  for (const row of await sourceRows(mysql, source, columns))
    wanted.set(keyOf(row, columns, key), hashOf(row, columns));
  const verdict: Verdict = { source: wanted.size, target: 0, lost: [], twice: [], stale: [], unexpected: [] };
  const seen = new Set<string>();
  for (const row of await targetRows(pg, target, columns)) {
    verdict.target += 1;
    const at = keyOf(row, columns, key);
    const want = wanted.get(at);
    if (seen.has(at)) note(verdict.twice, at);
    else if (want === undefined) note(verdict.unexpected, at);
    else if (want !== hashOf(row, columns)) note(verdict.stale, at);
    seen.add(at);
  }
  for (const at of wanted.keys()) if (!seen.has(at)) note(verdict.lost, at);
  return verdict;
}

function note(list: string[], key: string): void {
  if (list.length < 20) list.push(key);
}

async function sourceColumns(
  mysql: Connection,
  { schema, table }: { schema: string; table: string },
): Promise<Column[]> {
  const [rows] = await mysql.query(
    'SELECT column_name AS name, data_type AS type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position',
    [schema, table],
  );
  return rows as Column[];
}

type Row = readonly (string | null)[];

async function sourceRows(
  mysql: Connection,
  { schema, table }: { schema: string; table: string },
  columns: Column[],
): Promise<Row[]> {
  await mysql.query("SET time_zone = '+00:00'");
  const list = columns.map(({ name, type }) => {
    const quoted = `\`${name.replaceAll('`', '``')}\``;
    if (/blob|binary|geometry|bit/.test(type)) return `HEX(${quoted})`;
    // FLOAT prints six digits only; the expression gives its exact value (reference/mysql.md 1.3).
    return `CAST(${type === 'float' ? `${quoted} + 0e0` : quoted} AS CHAR)`;
  });
  const [rows] = await mysql.query({
    sql: `SELECT ${list.join(', ')} FROM \`${schema}\`.\`${table}\``,
    rowsAsArray: true,
  });
  return rows as unknown as Row[];
}

async function targetRows(
  pg: Client,
  { schema, table }: { schema: string; table: string },
  columns: Column[],
): Promise<Row[]> {
  await pg.query("SET TimeZone = 'UTC'");
  const list = columns.map(({ name, type }) => {
    const quoted = `"${name.replaceAll('"', '""')}"`;
    if (/blob|binary|geometry/.test(type)) return `upper(encode(${quoted}, 'hex'))`;
    if (type === 'datetime' || type === 'timestamp') return `to_char(${quoted}, 'YYYY-MM-DD HH24:MI:SS.US')`;
    if (type === 'float') return `${quoted}::float8::text`;
    return `${quoted}::text`;
  });
  const { rows } = await pg.query<(string | null)[]>({
    text: `SELECT ${list.join(', ')} FROM "${schema}"."${table}"`,
    rowMode: 'array',
  });
  return rows;
}

function keyOf(row: Row, columns: Column[], key: readonly string[]): string {
  return JSON.stringify(key.map((name) => row[columns.findIndex((column) => column.name === name)]));
}

function hashOf(row: Row, columns: Column[]): string {
  const hash = createHash('sha1');
  columns.forEach((column, index) => hash.update(JSON.stringify(canonical(row[index] ?? null, column.type))));
  return hash.digest('base64');
}

/** One spelling for values that the two servers print differently. */
function canonical(text: string | null, type: string): unknown {
  if (text === null) return null;
  if (type === 'float' || type === 'double') return Number(text);
  if (type === 'datetime' || type === 'timestamp')
    return text
      .padEnd(20, text.length === 19 ? '.' : ' ')
      .trim()
      .padEnd(26, '0');
  // MariaDB calls JSON longtext; jsonb orders keys and drops spaces.
  if ((type === 'json' || type === 'longtext') && /^\s*[[{]/.test(text)) return sorted(JSON.parse(text));
  return text;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
}
