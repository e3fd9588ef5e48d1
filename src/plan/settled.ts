/**
 * How far it is safe to read. CURRENT_TIMESTAMP is fixed when a statement starts, not when its transaction commits, so
 * a row can become visible behind rows that were read already. The bound is the smallest of
 *
 *   - the server's clock minus a lag,
 *   - the start of the oldest statement that runs: one that waits for a metadata lock is in no view of InnoDB,
 *   - the start of the oldest transaction that has changed something,
 *   - what a replica has applied (see replica.ts),
 *   - the oldest row that is written and not committed: the table is asked for it (see uncommitted.ts), since a
 *     transaction whose first statement waited for a metadata lock is younger than its rows.
 *
 * The order of the questions matters: a statement that runs when the processes are listed is seen there; one that had
 * ended by then has committed or left its transaction open, so it is seen when the transactions are listed. InnoDB may
 * list an older copy (it is refreshed after 0.1 s without a reader); it is believed once our own new transaction is in it.
 * Facts: reference/mysql.md section 3.
 */
import { mysqlNumber } from '../mysql-failure.js';
import type { MysqlSession, Row } from '../mysql-session.js';
import { Failure } from '../errors.js';
import { pause } from '../retry.js';
import { appliedSoFar } from './replica.js';

export interface Bound {
  /** Exclusive, as MySQL text in UTC with microseconds. */
  value: string;
  /** What set it, for people and for the end record. */
  rule: string;
}

export interface SettledBound extends Bound {
  /** Why not all of the rules could be applied. */
  caveat?: string;
}

export interface SettledTime extends SettledBound {
  /** Somebody may have rows that are older than the bound and not committed. */
  writers: boolean;
  /** Whose transactions are not seen: anybody's, for want of a privilege, or those of the primary of this replica. */
  unseen?: 'all' | 'primary';
}

/** What a user without PROCESS is told. */
const ACCESS_DENIED = 1227;

const REPLICA =
  'this server is a replica: a row is missed if its transaction takes longer on the primary than --lag; make that longer than the longest one, or read from the primary';

/** About 20 s in all; see freshPauseMs. */
const FRESH_TRIES = 16;

/** What connections do that run no statement of a writer. A replication applier is judged by its transactions. */
const IDLE = [
  ...['Sleep', 'Daemon', 'Connect', 'Binlog Dump', 'Binlog Dump GTID', 'Slave_IO', 'Slave_SQL', 'Slave_worker'],
  ...['Register Slave', 'Quit', 'Ping', 'Statistics'],
];

/** Reads the bound: six short queries, and three more for each time the list of transactions is an old one. */
export async function settledBound(session: MysqlSession, lagMs: number, signal: AbortSignal): Promise<SettledTime> {
  const [clock] = await session.ask('SELECT NOW(6) - INTERVAL ? MICROSECOND AS bound', [lagMs * 1000]);
  const lag: Bound = { value: clock?.bound ?? '', rule: `the server's clock minus ${lagMs} ms` };
  const applied = await appliedSoFar(session, lagMs);
  const statement = await runningStatements(session);
  const transaction = await openTransactions(session, lagMs, signal);
  // Without the privilege the process list is not refused but empty, which would prove nothing.
  if (transaction === 'denied') {
    const caveat =
      'without the PROCESS privilege statements that wait for a lock are not seen: a row that one of them writes later than the lag is missed';
    return { ...lag, caveat, writers: true, unseen: 'all' };
  }
  const bound = least([lag, ...statement, ...transaction, ...applied.bounds]) ?? lag;
  const settled = { ...bound, writers: transaction.length > 0 };
  return applied.replica ? { ...settled, caveat: REPLICA, unseen: 'primary' } : settled;
}

async function runningStatements(session: MysqlSession): Promise<Bound[]> {
  // MySQL counts whole seconds, MariaDB also milliseconds.
  const age = session.mariadb ? 'CEIL(time_ms * 1000) + 1000' : '(time + 1) * 1000000';
  const rows = await session.ask(
    `SELECT id AS id, LEFT(info, 500) AS info, state AS state, NOW(6) - INTERVAL (${age}) MICROSECOND AS started
     FROM information_schema.processlist
     WHERE id <> CONNECTION_ID() AND time IS NOT NULL AND command NOT IN (${IDLE.map(() => '?').join(', ')})`,
    IDLE,
  );
  return rows
    .filter((row) => !isRead(row.info ?? ''))
    .map((row) => ({
      value: row.started ?? '',
      rule: `the statement connection ${row.id} runs (${row.state?.trim() || 'no state'})`,
    }));
}

/** True for a statement that stamps no row: SELECT, SHOW and the like, after any comments. */
function isRead(info: string): boolean {
  const statement = info.replace(/^(?:\s|\(|\/\*(?![!M]).*?\*\/|--\s[^\n]*\n|#[^\n]*\n)+/s, '');
  return /^(?:select|show|explain|describe|desc|help)\b/i.test(statement);
}

/** A transaction's first statement may have waited a moment before InnoDB knew of it: the lag is taken off here too. */
async function openTransactions(
  session: MysqlSession,
  lagMs: number,
  signal: AbortSignal,
): Promise<Bound[] | 'denied'> {
  for (let attempt = 0; attempt < FRESH_TRIES; attempt += 1) {
    await session.ask('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    const rows = await listedTransactions(session, lagMs);
    await session.ask('COMMIT');
    if (rows === 'denied') return rows;
    if (rows) return rows.map(boundOfTransaction);
    await pause(freshPauseMs(attempt), signal);
  }
  throw new Failure('temporary', 'information_schema.innodb_trx does not show our own transaction', {
    hint: 'Something reads that table more than ten times a second; or read up to a time of your own with --until.',
  });
}

/**
 * The list stays old for 0.1 s after anybody has read it, we ourselves included. Each of several extractors that start
 * together keeps it old for the others, so the pauses grow and differ: 110 to 220 ms at first, up to 1 to 2 s.
 */
function freshPauseMs(attempt: number): number {
  return (0.5 + Math.random() / 2) * Math.min(2_000, 220 * 2 ** attempt);
}

/**
 * The transactions that have changed something; undefined when the list is an old one, `denied` without PROCESS. The server prints starts in
 * whole seconds, in a zone of its own choosing; our own transaction has just begun, so its start tells the difference.
 */
async function listedTransactions(session: MysqlSession, lagMs: number): Promise<Row[] | 'denied' | undefined> {
  const rows = await session
    .ask(
      `SELECT trx_id AS trx, trx_mysql_thread_id AS id, trx_mysql_thread_id = CONNECTION_ID() AS ours, trx_started AS started,
         trx_rows_modified AS modified, NOW(6) AS clock
       FROM information_schema.innodb_trx`,
    )
    .catch((error: unknown) => {
      if (mysqlNumber(error) === ACCESS_DENIED) return 'denied' as const;
      throw error;
    });
  if (rows === 'denied') return rows;
  const ours = rows.find((row) => row.ours === '1');
  if (!ours) return undefined;
  // Zones differ by quarters of an hour; the rest is the time since our transaction began.
  const quarters = Math.round((utcMs(ours.clock) - utcMs(ours.started)) / 900_000);
  const writers = rows.filter((row) => row.ours === '0' && (row.modified !== '0' || row.id === '0'));
  return writers.map((row) => ({ ...row, started: textOfMs(utcMs(row.started) + quarters * 900_000 - 1_000 - lagMs) }));
}

function boundOfTransaction({ started, id }: Row): Bound {
  const whose = id === '0' ? 'a prepared XA transaction' : `the open transaction of connection ${id}`;
  return { value: started ?? '', rule: whose };
}

/** Used for whole seconds only; a cursor value never becomes a Date. */
function utcMs(text: string | null | undefined): number {
  return Date.parse(`${(text ?? '').slice(0, 19).replace(' ', 'T')}Z`);
}

function textOfMs(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23).replace('T', ' ')}000`;
}

function least(bounds: readonly Bound[]): Bound | undefined {
  return bounds.toSorted((a, b) => (a.value < b.value ? -1 : 1))[0];
}

/**
 * A bound cut to the resolution of its column: a DATETIME(0) of 12:00:05 may have been written at 12:00:05.9, so with
 * a bound of 12:00:05.7 that second is not settled yet. Where MySQL rounds up instead, this is safe too.
 * @param digits fractional digits of the column; -1 for a DATE
 */
export function atResolution(value: string, digits: number): string {
  if (digits < 0) return value.slice(0, 10);
  const [seconds = '', fraction = ''] = value.split('.');
  return digits === 0 ? seconds : `${seconds}.${fraction.padEnd(digits, '0').slice(0, digits)}`;
}
