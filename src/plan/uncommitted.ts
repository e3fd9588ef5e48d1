/**
 * Rows below a bound that are written and not committed. When their transaction began does not say when they were
 * stamped: its first statement may have waited for a metadata lock, for hours, before InnoDB knew of it, and no list of
 * the server remembers that. But the rows themselves can be seen, under READ UNCOMMITTED, by anyone who may read the
 * table. The index is read once as others see it and once as it is; the difference is searched for by halves.
 */
import type { MysqlSession, Row } from '../mysql-session.js';
import type { Position } from '../end-record.js';
import { type Condition, type KeyColumn, beside, every } from './keyset.js';
import { orderBy, positionOf, positionText } from './read-plan.js';

export interface Unread {
  /** The table with the index of the cursor. */
  from: Condition;
  /** The cursor. */
  key: readonly KeyColumn[];
  /** From where reading begins to the bound. */
  conditions: readonly Condition[];
}

/** Keys that are compared one by one, in memory; more are compared as a sum. */
const LISTED = 5_000;

/** The cursor of the first uncommitted row, or null. Each level of the search reads half of the index range above it. */
export async function firstUncommitted(session: MysqlSession, unread: Unread): Promise<Position | null> {
  const statement = sumStatement(unread);
  // The committed rows first: what only the second reading has was not committed when the first was made.
  const committed = await once(session, statement);
  const written = await once(session, statement, true);
  if (committed?.rows === written?.rows && committed?.sum === written?.sum) return null;
  const rows = Number(written?.rows ?? 0);
  if (Math.max(rows, Number(committed?.rows ?? 0)) <= LISTED) return firstOfList(session, unread);
  const middle = positionOf(unread.key, await once(session, keysStatement(unread, `1 OFFSET ${rows >> 1}`), true));
  if (middle === null) return firstUncommitted(session, unread);
  const half = (operator: '<=' | '>'): Unread => ({
    ...unread,
    conditions: [...unread.conditions, beside(unread.key, operator, middle)],
  });
  return (await firstUncommitted(session, half('<='))) ?? firstUncommitted(session, half('>'));
}

async function firstOfList(session: MysqlSession, unread: Unread): Promise<Position | null> {
  const statement = keysStatement(unread, String(2 * LISTED));
  const text = (row: Row): string => JSON.stringify(positionOf(unread.key, row));
  const committed = new Set((await rowsOf(session, statement)).map(text));
  const written = await rowsOf(session, statement, true);
  return positionOf(
    unread.key,
    written.find((row) => !committed.has(text(row))),
  );
}

async function once(session: MysqlSession, statement: Condition, uncommitted = false): Promise<Row | undefined> {
  return (await rowsOf(session, statement, uncommitted))[0];
}

async function rowsOf(session: MysqlSession, { sql, values }: Condition, uncommitted = false): Promise<Row[]> {
  // Of the next statement only.
  if (uncommitted) await session.ask('SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
  return session.askPatiently(sql, values);
}

function sumStatement({ from, key, conditions }: Unread): Condition {
  const where = every(conditions);
  // Numbers go together whatever character sets the columns have.
  const sums = key.map((column) => `CRC32(${positionText(column)})`).join(", '/', ");
  return {
    sql: `SELECT COUNT(*) AS \`rows\`, SUM(CRC32(CONCAT(${sums}))) AS \`sum\` FROM ${from.sql} WHERE ${where.sql}`,
    values: [...from.values, ...where.values],
  };
}

function keysStatement({ from, key, conditions }: Unread, limit: string): Condition {
  const where = every(conditions);
  const select = key.map((column, index) => `${positionText(column)} AS k${index}`).join(', ');
  return {
    sql: `SELECT ${select} FROM ${from.sql} WHERE ${where.sql}${orderBy(key)} LIMIT ${limit}`,
    values: [...from.values, ...where.values],
  };
}
