/**
 * The rows of a replica carry the times of its primary and arrive later, so a bound by the replica's own clock and
 * transactions says nothing about what is still to be applied. Its process list does: the time of an applier is the age
 * of the last event it has taken up (MySQL manual, "Replication SQL Thread States"; reference/mysql.md section 3).
 */
import type { MysqlSession, Row } from '../mysql-session.js';
import type { Bound } from './settled.js';

export interface Applied {
  /** What appliers that have something to do are at. */
  bounds: Bound[];
  /** Something is replicated to this server. */
  replica: boolean;
}

/** Appliers wait for work in these words; whoever receives events for them waits for, or talks to, the primary. */
const WAITS = /has read all relay log|waiting for work|waiting for an event from coordinator/i;
const RECEIVES = /Slave_IO|(?:source|master)\b|to the relay log/i;
/** That there is replication at all. An applier that waits for a lock says only that; its fellows tell. */
const REPLICATES = /relay log|source|master|slave|replica|coordinator|applier/i;

/** One short query. Nobody without PROCESS sees the threads of replication. */
export async function appliedSoFar(session: MysqlSession, lagMs: number): Promise<Applied> {
  const rows = await session.ask(
    `SELECT id AS id, command AS command, state AS state, NOW(6) - INTERVAL (time + 1) SECOND - INTERVAL ? MICROSECOND AS applied
     FROM information_schema.processlist WHERE user = 'system user' AND command <> 'Daemon'`,
    [lagMs * 1000],
  );
  const saying =
    (words: RegExp) =>
    (row: Row): boolean =>
      words.test(`${row.command} ${row.state}`);
  if (!rows.some(saying(REPLICATES))) return { bounds: [], replica: false };
  const busy = rows.filter((row) => !saying(WAITS)(row) && !saying(RECEIVES)(row));
  return {
    bounds: busy.flatMap(({ id, state, applied }) =>
      applied
        ? [{ value: applied, rule: `what replication thread ${id} applies (${state?.trim() || 'no state'})` }]
        : [],
    ),
    replica: true,
  };
}
