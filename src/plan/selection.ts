/** Which columns are read: those that are named, without those that are left out, and always those of the cursor. */
import type { MysqlColumn } from '../column/mysql-column.js';
import { Failure } from '../errors.js';
import type { Table } from './catalogue.js';
import { columnOf, whyUnfit } from './cursor.js';
import { quotedName } from './identifier.js';
import type { KeyColumn } from './keyset.js';

export interface Selection {
  /** null = all. */
  columns: readonly string[] | null;
  exclude: readonly string[];
}

/** The columns to select, in table order; those the position is read from are always among them. */
export function selectedNames(table: Table, { columns, exclude }: Selection, needed: readonly KeyColumn[]): string[] {
  const wanted = new Set((columns ?? table.columns.map(({ name }) => name)).map((name) => columnOf(table, name).name));
  const left = new Set(exclude.map((name) => columnOf(table, name).name));
  refuseExcluded(table.name, left, needed);
  for (const { name } of needed) wanted.add(name);
  return table.columns.map(({ name }) => name).filter((name) => wanted.has(name) && !left.has(name));
}

/** The columns of a query to select, those of the cursor among them. */
export function selectedQueryNames(
  name: string,
  all: readonly MysqlColumn[],
  { columns, exclude }: Selection,
  key: readonly KeyColumn[],
): string[] {
  const known = (wanted: string): string => queryColumn(name, all, wanted).name;
  const left = new Set(exclude.map(known));
  refuseExcluded(name, left, key);
  const wanted = new Set([
    ...(columns?.map(known) ?? all.map((column) => column.name)),
    ...key.map((column) => column.name),
  ]);
  return [...wanted].filter((each) => !left.has(each));
}

function refuseExcluded(table: string, left: ReadonlySet<string>, needed: readonly KeyColumn[]): void {
  const missing = needed.find(({ name }) => left.has(name));
  if (!missing) return;
  throw new Failure(
    'usage',
    `${table}: --exclude leaves out ${quotedName(missing.name)}, which says where reading goes on`,
    {
      hint: 'Leave it in; the warehouse table may be declared without it.',
    },
  );
}

function queryColumn(name: string, all: readonly MysqlColumn[], wanted: string): MysqlColumn {
  const found = all.find((column) => column.name.toLowerCase() === wanted.toLowerCase());
  if (found) return found;
  throw new Failure('no-input', `${name}: the query has no column ${quotedName(wanted)}`, {
    hint: `Its columns: ${all.map((column) => column.name).join(', ')}.`,
  });
}

/** A column of a query as a cursor; 66 when the query has none of that name, 78 when its type cannot be one. */
export function queryKey(name: string, all: readonly MysqlColumn[], wanted: string): KeyColumn {
  const column = queryColumn(name, all, wanted);
  const why = whyUnfit(column.type);
  if (why !== undefined)
    throw new Failure('config', `${name}: column ${quotedName(wanted)} (${column.type}) cannot be a cursor: ${why}`);
  return { name: column.name, type: column.type };
}
