/** A session on Redshift that can create the ledger beside others doing the same. */
import { pause } from '../retry.js';
import type { Session } from './warehouse.js';

/** Two sessions that create one table or schema at once: the loser is told in one of these ways. */
const RACED = /already exists|duplicate key|concurrent|^1023$|tuple concurrently updated/i;
const TRIES = 5;

/** The session, with `CREATE … IF NOT EXISTS` repeated where another session was first. */
export function creating(session: Session, signal: AbortSignal): Session {
  return {
    dry: session.dry,
    get alive() {
      return session.alive;
    },
    read: (sql, values) => session.read(sql, values),
    copyIn: (sql, chunks) => session.copyIn(sql, chunks),
    end: () => session.end(),
    async write(sql, values) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await session.write(sql, values);
        } catch (error) {
          const again = /^CREATE (?:TABLE|SCHEMA) IF NOT EXISTS /.test(sql) && RACED.test((error as Error).message);
          if (!again || attempt === TRIES) throw error;
          await pause(50 * attempt, signal);
        }
      }
    },
  };
}
