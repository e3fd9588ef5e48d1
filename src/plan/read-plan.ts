/** A read, decided: what is selected, in which order, between which bounds. Statements are made from it page by page. */
import type { ColumnPlan } from '../column/from-mysql.js';
import type { Position } from '../end-record.js';
import type { ReadKind } from '../provenance.js';
import { qualifiedName, quotedName } from './identifier.js';
import { type Condition, type KeyColumn, after, every } from './keyset.js';
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
  /** Where reading begins, exclusive; a prefix is inclusive. null = from the start. */
  since: Position | null;
  /** All conditions but the position: the upper bound, `--where`, a shard. */
  conditions: readonly Condition[];
  until: Bound | null;
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

/** The statement for the rows after a position, at most `rows` of them (null = all). */
export function statement(plan: ReadPlan, position: Position | null, rows: number | null): Condition {
  const select = plan.columns.map((column) => column.selectExpression).join(', ');
  const where = every([after(plan.key, position), ...plan.conditions]);
  const order = orderBy(plan.key);
  const limit = rows === null ? '' : ` LIMIT ${rows}`;
  return {
    sql: `SELECT ${select} FROM ${plan.from.sql} WHERE ${where.sql}${order}${limit}`,
    values: [...plan.from.values, ...where.values],
  };
}

/** ` ORDER BY …`, or nothing. */
export function orderBy(key: readonly KeyColumn[]): string {
  return key.length === 0 ? '' : ` ORDER BY ${key.map(({ name }) => quotedName(name)).join(', ')}`;
}
