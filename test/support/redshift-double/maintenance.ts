/** TRUNCATE, LOCK, VACUUM and ANALYZE (reference/redshift.md 4.4, 4.5; rules 50, 53, 58, 59). */
import { acknowledged, type Plan } from './plan.js';
import { SqlError, syntaxError } from './sql-error.js';
import { demandTable } from './table-columns.js';
import type { Tape } from './tape.js';

/** Commits whatever is open first: a later ROLLBACK brings nothing back. */
export function truncate(tape: Tape): Plan {
  tape.expect('truncate');
  tape.accept('table');
  if (tape.sees('only')) tape.fail();
  const name = tape.writeTable();
  if (tape.seesAny(',', 'restart', 'continue', 'cascade', 'restrict')) throw syntaxError(tape.peek().text);
  tape.finish();
  return {
    verb: 'truncate',
    writes: true,
    async run(executor) {
      await demandTable(executor, name);
      await executor.query(`TRUNCATE TABLE ${name.sql}`);
      await executor.commit();
      return { tag: 'TRUNCATE TABLE and COMMIT TRANSACTION' };
    },
  };
}

export function lock(tape: Tape): Plan {
  tape.expect('lock');
  tape.accept('table');
  const names = [tape.writeTable()];
  while (tape.accept(',')) names.push(tape.writeTable());
  if (tape.seesAny('in', 'nowait')) throw syntaxError(tape.peek().text);
  tape.finish();
  return {
    verb: 'lock',
    writes: false,
    async run(executor) {
      if (executor.status() === 'I') throw new SqlError('25P01', 'LOCK TABLE can only be used in transaction blocks');
      await executor.query(`LOCK TABLE ${names.map((name) => name.sql).join(', ')} IN ACCESS EXCLUSIVE MODE`);
      return { tag: 'LOCK TABLE' };
    },
  };
}

/** Accepted, checked, and otherwise nothing. */
export function vacuum(tape: Tape): Plan {
  tape.expect('vacuum');
  if (tape.accept('sort') || tape.accept('delete')) tape.expect('only');
  else if (!tape.accept('full') && !tape.accept('reindex')) tape.accept('recluster');
  const name = tape.done ? undefined : tape.writeTable();
  if (tape.accept('to')) {
    tape.integer();
    tape.expect('percent');
  }
  tape.accept('boost');
  tape.finish();
  return {
    verb: 'vacuum',
    writes: false,
    async run(executor) {
      if (executor.status() !== 'I') throw new SqlError('25001', 'VACUUM cannot run inside a transaction block');
      if (name !== undefined) await demandTable(executor, name);
      return { tag: 'VACUUM' };
    },
  };
}

export function analyze(tape: Tape): Plan {
  if (!tape.accept('analyze')) tape.expect('analyse');
  tape.accept('verbose');
  if (tape.done) return acknowledged('analyze', 'ANALYZE');
  const name = tape.writeTable();
  if (tape.sees('(')) tape.columns();
  if (tape.accept('predicate') || tape.accept('all')) tape.expect('columns');
  tape.finish();
  return {
    verb: 'analyze',
    writes: false,
    async run(executor) {
      await demandTable(executor, name);
      return { tag: 'ANALYZE' };
    },
  };
}
