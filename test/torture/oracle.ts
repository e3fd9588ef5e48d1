/**
 * Compares the multisets of (key, version, hash, further columns) of source and target, both rendered by their own
 * servers. A row that was deleted on the source may be in the target in any version it had, or not at all.
 */
import type { Connection } from 'mysql2/promise';
import type { Client } from 'pg';
import type { RoundPlan } from './round-plan.js';
import { HASH, type TableName } from './table.js';

/** What is wrong, in words; none when the tables agree. At most ten of a sort. */
export async function differences(
  mysql: Connection,
  pg: Client,
  { schema, table }: TableName,
  mode: RoundPlan['mode'],
): Promise<string[]> {
  const extra = await extraColumns(mysql, schema, table);
  const source = await sourceRows(mysql, `${schema}.${table}`, extra);
  const gone = new Set((await sourceRows(mysql, `${schema}.gone`)).map(([id]) => id));
  const target = await targetRows(pg, `${schema}.${table}`, extra);
  const wrong = new Findings();
  const newest = new Map<string, Row>();
  const seen = new Set<string>();
  for (const row of target) {
    const [id, version, hash, own] = row;
    const delivered = mode === 'append' ? `${id} version ${version}` : id;
    if (seen.has(delivered)) wrong.note('twice', delivered);
    seen.add(delivered);
    if (hash !== own) wrong.note('damaged', `${id} version ${version}`);
    const held = newest.get(id);
    if (!held || Number(version) > Number(held[1])) newest.set(id, row);
  }
  const known = new Set<string>();
  for (const [id, version, ...rest] of source) {
    known.add(id);
    const held = newest.get(id);
    if (!held) wrong.note('lost', `${id} version ${version}`);
    else if (held[1] !== version) wrong.note('stale', `${id} has version ${held[1]}, wanted ${version}`);
    else if (held.slice(2).join() !== rest.join()) wrong.note('differs', `${id}: ${held.slice(2)}, wanted ${rest}`);
  }
  for (const id of newest.keys()) if (!known.has(id) && !gone.has(id)) wrong.note('unexpected', id);
  return wrong.told(`${source.length} rows in the source, ${target.length} in the target, ${mode}`);
}

type Row = readonly [id: string, version: string, hash: string, own: string, ...extra: string[]];

class Findings {
  readonly #lists = new Map<string, string[]>();

  note(sort: string, what: string): void {
    this.#lists.set(sort, [...(this.#lists.get(sort) ?? []), what]);
  }

  told(about: string): string[] {
    return [...this.#lists].map(([sort, list]) => `${list.length} ${sort} (${about}): ${list.slice(0, 10).join('; ')}`);
  }
}

async function extraColumns(mysql: Connection, schema: string, table: string): Promise<string[]> {
  const [rows] = await mysql.query(
    "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = ? AND table_name = ? AND column_name LIKE 'extra%' ORDER BY ordinal_position",
    [schema, table],
  );
  return (rows as { name: string }[]).map(({ name }) => name);
}

async function sourceRows(mysql: Connection, table: string, extra?: readonly string[]): Promise<Row[]> {
  const columns = extra ? ['id', 'version', 'hash', HASH.mysql, ...extra] : ['id'];
  const list = columns.map((column) => `COALESCE(CAST(${column} AS CHAR), 'none')`);
  const [rows] = await mysql.query({ sql: `SELECT ${list.join(', ')} FROM ${table}`, rowsAsArray: true });
  return rows as unknown as Row[];
}

/** A column that no load has brought yet is as good as one without values. */
async function targetRows(pg: Client, table: string, extra: readonly string[]): Promise<Row[]> {
  const { rows: present } = await pg.query<{ name: string }>(
    'SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0',
    [table],
  );
  if (present.length === 0) return [];
  const names = new Set(present.map(({ name }) => name));
  const columns = ['id', 'version', 'hash', HASH.postgres, ...extra.map((name) => (names.has(name) ? name : 'NULL'))];
  const list = columns.map((column) => `COALESCE((${column})::text, 'none')`);
  const { rows } = await pg.query<string[]>({ text: `SELECT ${list.join(', ')} FROM ${table}`, rowMode: 'array' });
  return rows as unknown as Row[];
}
