/** INSERT, UPDATE and DELETE (reference/redshift.md 4.1, 4.9; rules 55 to 58). */
import { backing } from './identifier.js';
import { expression } from './expression.js';
import { type Plan, write } from './plan.js';
import { from, query, withList } from './query.js';
import { syntaxError, unsupported, unverified } from './sql-error.js';
import type { TableName, Tape } from './tape.js';

export function insert(tape: Tape): Plan {
  tape.expect('insert', 'into');
  const target = tape.writeTable();
  tape.emit(`INSERT INTO ${target.sql}`);
  if (tape.sees('(') && !(tape.sees('(', 'select') || tape.sees('(', 'with'))) {
    tape.emit(`(${tape.columns().map(backing).join(', ')})`);
  }
  if (tape.keep('default')) tape.need('values');
  else if (tape.keep('values')) values(tape);
  else query(tape);
  return finish(tape, 'insert', target);
}

function values(tape: Tape): void {
  const before = tape.subqueries;
  do {
    tape.need('(');
    do if (!tape.keep('default')) expression(tape);
    while (tape.keep(','));
    tape.need(')');
  } while (tape.keep(','));
  if (tape.subqueries > before) throw unsupported('subqueries are not allowed in VALUES');
}

export function update(tape: Tape): Plan {
  tape.expect('update');
  if (tape.sees('only')) tape.fail();
  const target = tape.writeTable();
  if (tape.sees('as') || (tape.seesName() && !tape.sees('set'))) throw unverified('an alias for the target of UPDATE');
  tape.emit(`UPDATE ${target.sql} SET`);
  tape.expect('set');
  assignments(tape);
  if (tape.keep('from')) from(tape);
  if (tape.keep('where')) expression(tape);
  return finish(tape, 'update', target);
}

/** `column = expression | DEFAULT, …`. */
export function assignments(tape: Tape): void {
  do {
    if (tape.sees('(')) throw unverified('UPDATE of a column list');
    tape.emit(backing(tape.column()));
    tape.need('=');
    if (!tape.keep('default')) expression(tape);
  } while (tape.keep(','));
}

export function remove(tape: Tape): Plan {
  if (tape.sees('with')) withList(tape);
  tape.expect('delete');
  const spelled = tape.accept('from');
  const target = tape.writeTable();
  if (tape.sees('as') || (tape.seesName() && !tape.sees('using')))
    throw unverified('an alias for the target of DELETE');
  tape.emit(`DELETE FROM ${target.sql}`);
  if (tape.sees('using')) {
    // reference/redshift.md 4.1: FROM is compulsory when USING is present (rule 57).
    if (!spelled) throw syntaxError('using');
    tape.need('using');
    from(tape);
  }
  if (tape.keep('where')) expression(tape);
  return finish(tape, 'delete', target);
}

function finish(tape: Tape, verb: string, target: TableName): Plan {
  if (tape.sees('on')) throw syntaxError('on');
  if (tape.sees('returning')) throw syntaxError('returning');
  tape.finish();
  tape.userTables.push(target);
  return write(verb, target.sql, tape.text());
}
