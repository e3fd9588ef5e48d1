/** A read, decided: what is selected, in which order, between which bounds. Statements are made from it page by page. */
import type { ColumnPlan } from '../column/from-mysql.js';
import type { Position } from '../end-record.js';
import type { Row } from '../mysql-session.js';
import type { ReadKind } from '../provenance.js';
import { qualifiedName, quotedName } from './identifier.js';
import { ALWAYS, type Condition, type KeyColumn, after, beside, every } from './keyset.js';
import type { Bound } from './settled.js';

export interface ReadPlan {
  read: ReadKind;
  /** `schema.table`, or the name given to a query. */
  table: string;
  /** What is read from: a table and the index forced on it, or a query in parentheses. */
  from: Condition;
  columns: readonly ColumnPlan[];
  primaryKey: readonly string[];
  /** The order of the read, and what positions consist of; empty for a read without order. */
  key: readonly KeyColumn[];
  /** A unique key of the table is part of `key`; of a query nobody knows. */
  unique: boolean;
  /** Where reading begins, exclusive; a prefix is inclusive. null = from the start. */
  since: Position | null;
  /** What the stream says it begins at; differs from `since` for a shard, which begins with its lower bound. */
  begins: Position | null;
  /** All conditions but the position: the upper bound, `--where`, a shard. */
  conditions: readonly Condition[];
  until: Bound | null;
  /** The column `until` bounds. */
  bounded: KeyColumn | null;
  /** Rows of one statement; null = a single statement for everything, where each would sort anew. */
  pageRows: number | null;
}

/** The table with the index the server must use. */
export function tableSource(table: { schema: string; table: string }, index: string | null): Condition {
  return { sql: `${qualifiedName(table)}${index === null ? '' : ` FORCE INDEX (${quotedName(index)})`}`, values: [] };
}

/** A query as a table. The newline ends a comment the query may end with. */
export function querySource(query: string): Condition {
  return { sql: `(${query.trim().replace(/;\s*$/, '')}\n) AS \`query\``, values: [] };
}

/** A condition a person wrote, as raw SQL. */
export function rawCondition(sql: string): Condition {
  return { sql: `(${sql}\n)`, values: [] };
}

/** The statement for the rows after a position, at most `rows` of them, up to and with `last` (null = no end). */
export function statement(
  plan: ReadPlan,
  position: Position | null,
  rows: number | null,
  last: Position | null = null,
): Condition {
  const select = plan.columns.map((column) => column.selectExpression).join(', ');
  const upTo = last === null ? ALWAYS : beside(plan.key, '<=', last);
  const where = every([after(plan.key, position), upTo, ...plan.conditions]);
  const order = orderBy(plan.key);
  const limit = rows === null ? '' : ` LIMIT ${rows}`;
  return {
    sql: `SELECT ${select} FROM ${plan.from.sql} WHERE ${where.sql}${order}${limit}`,
    values: [...plan.from.values, ...where.values],
  };
}

/** The statement for the position of the nth row after another one, which the index alone answers. */
export function boundaryStatement(plan: ReadPlan, position: Position | null, rows: number): Condition {
  const where = every([after(plan.key, position), ...plan.conditions]);
  const select = plan.key.map((column, index) => `${positionText(column)} AS k${index}`).join(', ');
  return {
    sql: `SELECT ${select} FROM ${plan.from.sql} WHERE ${where.sql}${orderBy(plan.key)} LIMIT 1 OFFSET ${rows - 1}`,
    values: [...plan.from.values, ...where.values],
  };
}

/** The statement that counts the rows at a position. */
export function tiesStatement(plan: ReadPlan, position: Position): Condition {
  const at = [beside(plan.key, '>=', position), beside(plan.key, '<=', position)];
  const where = every([...at, ...plan.conditions]);
  return {
    sql: `SELECT COUNT(*) AS n FROM ${plan.from.sql} WHERE ${where.sql}`,
    values: [...plan.from.values, ...where.values],
  };
}

/** The position in a row of a boundary statement. */
export function positionOf(key: readonly KeyColumn[], row: Row | undefined): Position | null {
  return row === undefined ? null : key.map((_, index) => row[`k${index}`] ?? '');
}

/** A key column as the text a position holds: bytes in hexadecimal. */
export function positionText({ name, type }: KeyColumn): string {
  return /^(?:var)?binary\b/.test(type) ? `CONCAT('0x', LOWER(HEX(${quotedName(name)})))` : quotedName(name);
}

/** ` ORDER BY …`, or nothing. */
export function orderBy(key: readonly KeyColumn[]): string {
  return key.length === 0 ? '' : ` ORDER BY ${key.map(({ name }) => quotedName(name)).join(', ')}`;
}
