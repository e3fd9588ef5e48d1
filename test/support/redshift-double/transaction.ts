/** BEGIN, COMMIT, ROLLBACK, and the savepoints Redshift does not have (reference/redshift.md 4.5; rules 55, 60). */
import { passed, type Plan } from './plan.js';
import { syntaxError, unsupported } from './sql-error.js';
import type { Tape } from './tape.js';

/** What `begin` opens behind: `snapshot` for the default of new clusters, `serializable` for older ones. */
export type Isolation = 'snapshot' | 'serializable';

/**
 * Every isolation level name means the database's level. PostgreSQL's REPEATABLE READ takes its snapshot at the
 * first statement that reads or writes, and LOCK takes none: the same order as Redshift's snapshot isolation.
 */
export function beginSql(isolation: Isolation, readOnly = false): string {
  const level = isolation === 'snapshot' ? 'REPEATABLE READ' : 'SERIALIZABLE';
  return `BEGIN ISOLATION LEVEL ${level}${readOnly ? ' READ ONLY' : ''}`;
}

export function begin(tape: Tape, isolation: Isolation): Plan {
  if (tape.accept('start')) tape.expect('transaction');
  else {
    tape.expect('begin');
    if (!tape.accept('work')) tape.accept('transaction');
  }
  let readOnly = false;
  for (let more = !tape.done; more; more = !tape.done) {
    if (tape.accept('isolation', 'level')) level(tape);
    else if (tape.accept('read', 'only')) readOnly = true;
    else tape.expect('read', 'write');
    tape.accept(',');
  }
  return passed('begin', beginSql(isolation, readOnly));
}

function level(tape: Tape): void {
  if (tape.accept('serializable') || tape.accept('snapshot') || tape.accept('repeatable', 'read')) return;
  if (tape.accept('read', 'committed')) return;
  tape.expect('read', 'uncommitted');
}

export function commit(tape: Tape): Plan {
  if (!tape.accept('commit')) tape.expect('end');
  blockWord(tape);
  return passed('commit', 'COMMIT');
}

export function rollback(tape: Tape): Plan {
  if (!tape.accept('rollback')) tape.expect('abort');
  if (tape.sees('to')) throw savepoint('ROLLBACK TO SAVEPOINT');
  blockWord(tape);
  return passed('rollback', 'ROLLBACK');
}

function blockWord(tape: Tape): void {
  if (!tape.accept('work')) tape.accept('transaction');
  if (tape.sees('and')) throw syntaxError('and');
  tape.finish();
}

export function savepoint(command: string): Error {
  return unsupported(`SQL command "${command}" not supported.`);
}
