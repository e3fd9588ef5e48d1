/**
 * Which columns a table is read by. They must order its rows completely, never be NULL, and survive being written as
 * text: otherwise rows would be lost in silence (reference/mysql.md 2.4).
 */
import { mysqlType } from '../column/mysql-column.js';
import { Failure } from '../errors.js';
import type { Ask } from '../mysql-session.js';
import type { Table, TableColumn } from './catalogue.js';
import { qualifiedName, quotedName } from './identifier.js';
import type { KeyColumn } from './keyset.js';

/** What people call the time of the last change; compared without case and underscores. */
const CHANGE_TIMES = new Set([
  ...['updateat', 'updatedat', 'updatetime', 'updatedtime', 'updated', 'updatedon', 'updatedate', 'lastupdate'],
  ...['lastupdated', 'lastupdatedat', 'lastupdatetime', 'modifiedat', 'modified', 'modifiedon', 'modifiedtime'],
  ...['lastmodified', 'lastmodifiedat', 'modificationtime', 'modifydate', 'modifytime', 'gmtmodified', 'mtime'],
  ...['changedat', 'changetime', 'lastchanged'],
]);

/** True for a column a settled bound can be compared with. */
export function isTime({ type }: { type: string }): boolean {
  return /^(?:date|datetime|timestamp)$/.test(mysqlType(type).base);
}

/** The column that says when a row last changed; 64 when there is none, or more than one. */
function changeTime(table: Table): string {
  const times = table.columns.filter(isTime);
  const named = times.filter(({ name }) => CHANGE_TIMES.has(name.toLowerCase().replaceAll('_', '')));
  const found = named.length > 0 ? named : times.filter(({ extra }) => extra.includes('on update'));
  const [only, second] = found;
  if (only && !second) return only.name;
  if (only) {
    const choices = found.map(({ name }) => name).join(', ');
    throw new Failure('usage', `${table.name} has several columns that could say when a row changed: ${choices}`, {
      hint: `Choose one: --cursor ${only.name}.`,
    });
  }
  const key = table.primaryKey.join(',');
  const growing = key === '' ? '' : `use --cursor ${key} for a table that only grows, or `;
  throw new Failure('usage', `${table.name} has no column that says when a row changed`, {
    hint: `Name one with --cursor, ${growing}read all of it each time with --cursor none.`,
  });
}

/** The columns to read by: those asked for, or the time of change; completed by a unique key that breaks ties. */
export function cursorColumns(table: Table, wanted: readonly string[] | null): KeyColumn[] {
  const columns = (wanted ?? [changeTime(table)]).map((name) => columnOf(table, name).name);
  const twice = columns.find((name, index) => columns.indexOf(name) < index);
  if (twice !== undefined) throw new Failure('usage', `--cursor names ${quotedName(twice)} twice`);
  if (!uniqueKeys(table).some((key) => key.every((name) => columns.includes(name)))) {
    columns.push(...tieBreaker(table, columns).filter((name) => !columns.includes(name)));
  }
  return keyColumns(table, columns);
}

/** Columns by name with their types; 78 for a type that cannot order rows and be written down. */
export function keyColumns(table: Table, names: readonly string[]): KeyColumn[] {
  return names.map((name) => {
    const { type } = columnOf(table, name);
    const why = whyUnfit(type);
    if (why === undefined) return { name, type };
    throw new Failure('config', `${table.name}: column ${quotedName(name)} (${type}) cannot be a cursor: ${why}`, {
      hint: 'Choose other columns with --cursor, or read everything with --cursor none.',
    });
  });
}

/** Why a type cannot be a cursor; undefined when it can. */
export function whyUnfit(type: string): string | undefined {
  const { base } = mysqlType(type);
  if (base === 'float' || base === 'double') return 'its text form is not exact, so rows would be lost or repeated';
  if (base === 'enum' || base === 'set') return 'it is ordered by position and compared by label';
  if (/text$|blob$/.test(base)) return 'only its beginning can be indexed';
  return FIT.has(base) ? undefined : 'it has no order that survives as text';
}

const FIT = new Set([
  ...['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year', 'decimal', 'date', 'datetime'],
  ...['timestamp', 'time', 'char', 'varchar', 'uuid', 'inet4', 'inet6', 'binary', 'varbinary'],
]);

/** The column of that name, whatever its case; 66 otherwise. */
export function columnOf(table: Table, name: string): TableColumn {
  const same = (one: TableColumn): boolean => one.name.toLowerCase() === name.toLowerCase();
  const found = table.columns.find((one) => one.name === name) ?? table.columns.find(same);
  if (found) return found;
  const names = table.columns.map((one) => one.name);
  throw new Failure('no-input', `${table.name} has no column ${quotedName(name)}`, {
    hint: `Its columns: ${names.slice(0, 40).join(', ')}${names.length > 40 ? ', …' : ''}.`,
  });
}

/** Keys that hold each of their values once and never NULL: the primary key first. */
export function uniqueKeys(table: Table): string[][] {
  const keys = table.indexes.filter(
    ({ unique, parts }) => unique && parts.every((part) => part.column !== null && !part.prefix && !part.nullable),
  );
  const primaryFirst = keys.toSorted((a, b) => Number(b.name === 'PRIMARY') - Number(a.name === 'PRIMARY'));
  return primaryFirst.map(({ parts }) => parts.map((part) => part.column ?? ''));
}

function tieBreaker(table: Table, columns: readonly string[]): string[] {
  const [key] = uniqueKeys(table);
  if (key) return key;
  const names = columns.join(', ');
  throw new Failure('config', `${table.name} has no primary key, so rows of the same ${names} cannot be told apart`, {
    hint: `Run: ALTER TABLE ${qualifiedName(table)} ADD COLUMN \`id\` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY; or read everything with --cursor none.`,
  });
}

/** 78 with the statement that fixes it when a cursor column holds NULL: such a row would never be read. */
export async function demandNoNulls(ask: Ask, table: Table, columns: readonly KeyColumn[]): Promise<void> {
  for (const { name, type } of columns) {
    if (!columnOf(table, name).nullable) continue;
    const column = quotedName(name);
    const rows = await ask(`SELECT 1 AS found FROM ${qualifiedName(table)} WHERE ${column} IS NULL LIMIT 1`);
    if (rows.length === 0) continue;
    const value = isTime({ type }) ? 'CURRENT_TIMESTAMP' : "''";
    throw new Failure(
      'config',
      `${table.name}: the cursor column ${column} is NULL in some rows; they would never be read`,
      {
        hint: `Run: UPDATE ${qualifiedName(table)} SET ${column} = ${value} WHERE ${column} IS NULL; and declare the column NOT NULL.`,
      },
    );
  }
}
