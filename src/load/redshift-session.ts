/**
 * A session on Redshift: everything goes by the simple protocol, the one COPY wants and the Data API has nothing but,
 * and the ledger can be created beside others doing the same.
 */
import { pause } from '../retry.js';
import { redshiftLiteral } from '../sink/redshift-authorization.js';
import type { Session } from './warehouse.js';

/** Two sessions that create one table or schema at once: the loser is told in one of these ways. */
const RACED = /already exists|duplicate key|concurrent|^1023$|tuple concurrently updated/i;
const TRIES = 5;

/** The session, with values written into the text, and `CREATE … IF NOT EXISTS` repeated where another was first. */
export function redshiftSession(session: Session, signal: AbortSignal): Session {
  return {
    dry: session.dry,
    get alive() {
      return session.alive;
    },
    read: (sql, values = []) => session.read(inlined(sql, values)),
    copyIn: (sql, chunks) => session.copyIn(sql, chunks),
    end: () => session.end(),
    async write(sql, values = []) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await session.write(inlined(sql, values));
        } catch (error) {
          const again = /^CREATE (?:TABLE|SCHEMA) IF NOT EXISTS /.test(sql) && RACED.test((error as Error).message);
          if (!again || attempt === TRIES) throw error;
          await pause(50 * attempt, signal);
        }
      }
    },
  };
}

/** Parameters of the Data API are strings only, and none of them can be NULL; the simple protocol has none. */
function inlined(sql: string, values: readonly unknown[]): string {
  if (values.length === 0) return sql;
  return sql.replaceAll(/\$(\d+)/g, (_, place: string) => {
    const value = values[Number(place) - 1];
    if (value === null || value === undefined) return 'NULL';
    return typeof value === 'number' || typeof value === 'bigint'
      ? String(value)
      : redshiftLiteral(`${value as string}`);
  });
}
