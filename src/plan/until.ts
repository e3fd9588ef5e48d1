/** The upper bound of a read: settled by the server, given by a person, or none. */
import { mysqlType } from '../column/mysql-column.js';
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { MysqlSession } from '../mysql-session.js';
import { pause } from '../retry.js';
import { isTime } from './cursor.js';
import { quotedName } from './identifier.js';
import { type Condition, type KeyColumn, after, beside } from './keyset.js';
import { type Bound, type SettledBound, type SettledTime, atResolution, settledBound } from './settled.js';
import { firstUncommitted } from './uncommitted.js';

export type Until =
  | { kind: 'settled'; lagMs: number; waitMs: number }
  | { kind: 'none' }
  | { kind: 'text'; value: string };

const INTEGERS = /^(?:tinyint|smallint|mediumint|int|bigint)$/;
const POLL_MS = 250;

/** A statement that waited for longer before it wrote is not looked for: that would be a look at the whole table. */
const LONGEST_WAIT = 'INTERVAL 1 DAY';

/** What a bound is for. */
export interface Bounded {
  /** The table or query that is read. */
  from: Condition;
  /** The cursor; its first column is the one that is bounded. */
  key: readonly [KeyColumn, ...KeyColumn[]];
  /** The table with the index of the cursor; null for a query, which would be run once more. */
  indexed: Condition | null;
  since: Position | null;
}

/**
 * The bound on the first cursor column, or null for none. A time column is bounded by the settled time. A whole number
 * is bounded by the largest one there is, once every transaction that was open when it was read has ended: numbers are
 * handed out in order but committed in any. Throws 75 when that takes longer than `waitMs`.
 */
export async function upperBound(
  session: MysqlSession,
  bounded: Bounded,
  until: Until,
  signal: AbortSignal,
): Promise<SettledBound | null> {
  const { from } = bounded;
  const [column] = bounded.key;
  if (until.kind === 'none') return null;
  if (until.kind === 'text') {
    beside([column], '<', [until.value]);
    return { value: until.value, rule: '--until' };
  }
  if (isTime(column)) return committedTime(session, bounded, await settledTime(session, column, until.lagMs, signal));
  if (INTEGERS.test(mysqlType(column.type).base)) return settledNumber(session, from, column, until.waitMs, signal);
  throw new Failure(
    'usage',
    `the cursor column ${column.name} (${column.type}) is no time and no whole number, so nothing says how far it is settled`,
    {
      hint: 'Say --until none, and make sure that nobody writes meanwhile.',
    },
  );
}

async function settledTime(
  session: MysqlSession,
  column: KeyColumn,
  lagMs: number,
  signal: AbortSignal,
): Promise<SettledTime> {
  const { base, args } = mysqlType(column.type);
  const bound = await settledBound(session, lagMs, signal);
  const digits = base === 'date' ? -1 : (args[0] ?? 0);
  const value = base === 'timestamp' ? bound.value : await earliestReading(session, bound.value);
  return { ...bound, value: atResolution(value, digits) };
}

/** The bound, or the time of an earlier row that is not committed. */
async function committedTime(
  session: MysqlSession,
  { key, indexed, since }: Bounded,
  { writers, ...bound }: SettledTime,
): Promise<SettledBound> {
  if (!writers || indexed === null) return bound;
  const [column] = key;
  const [row] = await session.ask(`SELECT CAST(? AS DATETIME(6)) - ${LONGEST_WAIT} AS begins`, [bound.value]);
  const conditions = [beside([column], '>=', [row?.begins ?? '']), below(column, bound), after(key, since)];
  const position = await firstUncommitted(session, { from: indexed, key, conditions });
  const [value] = position ?? [];
  return value === undefined ? bound : { ...bound, value, rule: 'a row of that time that is not committed' };
}

/**
 * A DATETIME says no zone. It was written in UTC or in the server's own zone, so the earlier of the two readings of
 * the bound is the safe one.
 */
async function earliestReading(session: MysqlSession, utc: string): Promise<string> {
  const [row] = await session.ask("SELECT CONVERT_TZ(?, '+00:00', @@global.time_zone) AS local_time", [utc]);
  const local = row?.local_time ?? utc;
  return local < utc ? local : utc;
}

async function settledNumber(
  session: MysqlSession,
  from: Condition,
  column: KeyColumn,
  waitMs: number,
  signal: AbortSignal,
): Promise<SettledBound | null> {
  const [row] = await session.askPatiently(
    `SELECT MAX(${quotedName(column.name)}) AS largest FROM ${from.sql}`,
    from.values,
  );
  if (row?.largest === null || row?.largest === undefined) return null;
  const [clock] = await session.ask('SELECT NOW(6) AS clock');
  const seen = clock?.clock ?? '';
  const value = String(BigInt(row.largest) + 1n);
  for (let waited = 0; ; waited += POLL_MS) {
    const { value: settled, rule, unseen, caveat } = await settledBound(session, 0, signal);
    const later = `this server is a replica: a smaller ${column.name} that its primary commits later is missed; read from the primary`;
    const why = unseen === 'primary' ? later : caveat;
    const found = { value, ...(why === undefined ? {} : { caveat: why }) };
    if (settled >= seen) return { ...found, rule: `the largest ${column.name}, committed` };
    // Waiting for what nobody may see would prove nothing.
    if (unseen === 'all') return { ...found, rule: `the largest ${column.name}` };
    if (waited >= waitMs) {
      throw new Failure('temporary', `waiting for ${rule} to end, so that no smaller ${column.name} appears later`, {
        hint: 'End it, wait longer with --settle-timeout, or say --until none.',
      });
    }
    await pause(POLL_MS, signal);
  }
}

/** Rows below the bound. */
export function below(column: KeyColumn, bound: Bound): Condition {
  return beside([column], '<', [bound.value]);
}
