/** What information_schema says about a table: its columns, keys and size (reference/mysql.md section 6). */
import { type CatalogueColumn, type MysqlColumn, columnOfCatalogue } from '../column/mysql-column.js';
import type { Ask, Row } from '../mysql-session.js';

export interface TableColumn extends MysqlColumn {
  /** `auto_increment`, `on update current_timestamp(6)`, `VIRTUAL GENERATED`, … in lower case. */
  extra: string;
}

export interface IndexPart {
  /** null for an expression. */
  column: string | null;
  /** Only the first characters are in the index. */
  prefix: boolean;
  descending: boolean;
  nullable: boolean;
}

export interface Index {
  name: string;
  unique: boolean;
  /** The optimizer may use it. */
  visible: boolean;
  /** `BTREE`, `HASH`, `FULLTEXT`, `SPATIAL`. */
  type: string;
  parts: readonly IndexPart[];
}

export interface Table {
  schema: string;
  table: string;
  /** `schema.table`. */
  name: string;
  engine: string | null;
  /** The server's estimate; 0 for a view. */
  rows: number;
  columns: readonly TableColumn[];
  primaryKey: readonly string[];
  indexes: readonly Index[];
}

/** Describes a table or view; undefined when there is none, or none this user may see. Two short queries, three on MariaDB. */
export async function describeTable(
  ask: Ask,
  mariadb: boolean,
  schema: string,
  table: string,
): Promise<Table | undefined> {
  const name = `${schema}.${table}`;
  const where = [schema, table];
  // LIMIT keeps the server from counting the rows of the table once for every column.
  const rows = await ask(
    `SELECT column_name AS column_name, column_type AS column_type, is_nullable AS is_nullable,
       character_set_name AS character_set_name, extra AS extra, engine AS engine, table_rows AS table_rows
     FROM information_schema.columns,
       (SELECT engine, table_rows FROM information_schema.tables WHERE table_schema = ? AND table_name = ? LIMIT 1) AS about
     WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position`,
    [...where, ...where],
  );
  const [about] = rows;
  if (!about) return undefined;
  const json = mariadb ? await jsonColumns(ask, where) : new Set<string>();
  const indexes = await indexesOf(ask, where);
  return {
    schema,
    table,
    name,
    engine: about.engine ?? null,
    rows: Number(about.table_rows ?? 0),
    columns: rows.map((row) => ({
      ...columnOfCatalogue(name, row as unknown as CatalogueColumn, json.has(row.column_name ?? '')),
      extra: (row.extra ?? '').toLowerCase(),
    })),
    primaryKey: indexes.find((index) => index.name === 'PRIMARY')?.parts.map((part) => part.column ?? '') ?? [],
    indexes,
  };
}

/** MariaDB's JSON is a longtext with a check; nothing else tells them apart. */
async function jsonColumns(ask: Ask, where: string[]): Promise<Set<string>> {
  const rows = await ask(
    'SELECT check_clause AS check_clause FROM information_schema.check_constraints WHERE constraint_schema = ? AND table_name = ?',
    where,
  );
  const names = rows.map((row) => /^json_valid\(`((?:[^`]|``)+)`\)$/i.exec(row.check_clause ?? '')?.[1]);
  return new Set(names.flatMap((name) => (name === undefined ? [] : [name.replaceAll('``', '`')])));
}

async function indexesOf(ask: Ask, where: string[]): Promise<Index[]> {
  // All columns: the one that says whether an index is visible has another name in each family.
  const rows = await ask(
    'SELECT * FROM information_schema.statistics WHERE table_schema = ? AND table_name = ? ORDER BY index_name, seq_in_index',
    where,
  );
  const byName = new Map<string, Row[]>();
  for (const row of rows.map(lowerCased)) {
    const name = row.index_name ?? '';
    byName.set(name, [...(byName.get(name) ?? []), row]);
  }
  return [...byName].map(([name, parts]) => ({
    name,
    unique: parts[0]?.non_unique === '0',
    visible: parts[0]?.is_visible !== 'NO' && parts[0]?.ignored !== 'YES',
    type: parts[0]?.index_type ?? '',
    parts: parts.map((part) => ({
      column: part.column_name ?? null,
      prefix: part.sub_part !== null && part.sub_part !== undefined,
      descending: part.collation === 'D',
      nullable: part.nullable === 'YES',
    })),
  }));
}

function lowerCased(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]));
}

/** The table names of a schema, to suggest one. At most 1,000. */
export async function tableNames(ask: Ask, schema: string): Promise<string[]> {
  const rows = await ask(
    'SELECT table_name AS table_name FROM information_schema.tables WHERE table_schema = ? ORDER BY table_name LIMIT 1000',
    [schema],
  );
  return rows.map((row) => row.table_name ?? '');
}
