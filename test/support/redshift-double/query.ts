/** SELECT: read by Redshift's grammar, written for the server behind. */
import { backing } from './identifier.js';
import { expression, expressions, orderBy } from './expression.js';
import { syntaxError, unsupported, unverified } from './sql-error.js';
import type { Tape } from './tape.js';

/** A whole query with its WITH, set operations, ORDER BY and LIMIT. */
export function query(tape: Tape): void {
  if (tape.sees('with')) withList(tape);
  core(tape);
  for (;;) {
    if (tape.keep('union')) tape.keep('all');
    else if (tape.keep('intersect')) refuseAll(tape);
    else if (tape.accept('minus') || tape.accept('except')) {
      tape.emit('except');
      refuseAll(tape);
    } else break;
    core(tape);
  }
  if (tape.sees('order')) orderBy(tape);
  if (tape.keep('limit') && !tape.keep('all')) count(tape);
  if (tape.keep('offset')) count(tape);
  if (tape.sees('for')) throw unsupported('SELECT FOR UPDATE/SHARE is not supported');
  if (tape.sees('fetch')) throw unverified('FETCH FIRST');
}

function count(tape: Tape): void {
  const token = tape.take();
  if (token.kind !== 'number' && token.kind !== 'param') throw syntaxError(token.text);
  tape.emit(token.text);
}

function refuseAll(tape: Tape): void {
  if (tape.sees('all')) throw syntaxError('all');
}

/** `WITH name [(columns)] AS (query), …`. */
export function withList(tape: Tape): void {
  tape.need('with');
  if (tape.sees('recursive')) throw unverified('WITH RECURSIVE');
  do {
    const name = tape.name();
    tape.ctes.add(name);
    tape.emit(backing(name));
    if (tape.sees('(')) tape.emit(`(${tape.columns().map(backing).join(', ')})`);
    tape.need('as');
    if (tape.seesAny('materialized', 'not')) throw syntaxError(tape.peek().text);
    tape.need('(');
    if (!tape.seesAny('select', 'with')) tape.fail();
    query(tape);
    tape.need(')');
  } while (tape.keep(','));
}

function core(tape: Tape): void {
  if (tape.keep('(')) {
    query(tape);
    tape.need(')');
    return;
  }
  if (tape.sees('values')) throw syntaxError('values');
  tape.need('select');
  if (tape.sees('top')) throw unverified('SELECT TOP is not modelled by the double');
  if (tape.keep('distinct')) {
    if (tape.sees('on')) throw unsupported('SELECT DISTINCT ON is not supported');
  } else tape.keep('all');
  do item(tape);
  while (tape.keep(','));
  if (tape.sees('into')) throw unverified('SELECT INTO is not modelled by the double');
  if (tape.keep('from')) from(tape);
  if (tape.keep('where')) expression(tape);
  if (tape.keep('group')) {
    tape.need('by');
    if (tape.seesAny('rollup', 'cube', 'grouping')) throw unverified('GROUPING SETS, ROLLUP and CUBE');
    expressions(tape);
  }
  if (tape.keep('having')) expression(tape);
  if (tape.sees('qualify')) throw unverified('QUALIFY is not modelled by the double');
  if (tape.sees('window')) throw syntaxError('window');
}

function item(tape: Tape): void {
  if (tape.keep('*')) return;
  expression(tape);
  if (tape.accept('as') || tape.seesName()) tape.emit('as', backing(tape.name()));
}

/** The list after FROM or USING. */
export function from(tape: Tape): void {
  do {
    source(tape);
    while (join(tape));
  } while (tape.keep(','));
}

function source(tape: Tape): void {
  if (tape.sees('lateral')) throw unverified('LATERAL');
  if (tape.seesAny('only', 'unnest', 'table', 'rows')) throw syntaxError(tape.peek().text);
  if (tape.keep('(')) {
    if (tape.sees('values')) throw syntaxError('values');
    query(tape);
    tape.need(')');
    if (!alias(tape)) throw syntaxError(tape.peek().text);
    return;
  }
  if (tape.sees('generate_series', '(')) {
    expression(tape);
    alias(tape);
    return;
  }
  tape.emit(tape.readTable().sql);
  if (tape.sees('(')) throw unverified('a function in FROM');
  if (tape.sees('tablesample')) throw syntaxError('tablesample');
  alias(tape);
}

/** `[AS] name [(columns)]`; true when there was one. */
export function alias(tape: Tape): boolean {
  const spelled = tape.accept('as');
  if (!spelled && (!tape.seesName() || tape.seesAny('set', 'qualify', 'fetch', 'window', 'tablesample'))) return false;
  tape.emit('as', backing(tape.name()));
  if (tape.sees('(')) tape.emit(`(${tape.columns().map(backing).join(', ')})`);
  return true;
}

function join(tape: Tape): boolean {
  let bare = tape.keep('cross') || tape.keep('natural');
  if (bare && tape.seesAny('inner', 'left', 'right', 'full')) throw unverified('NATURAL with a join type');
  if (!bare) {
    if (tape.keep('left') || tape.keep('right') || tape.keep('full')) tape.keep('outer');
    else if (!tape.keep('inner') && !tape.sees('join')) return false;
    bare = false;
  }
  tape.need('join');
  source(tape);
  if (bare) return true;
  if (tape.keep('on')) expression(tape);
  else {
    tape.need('using');
    tape.emit(`(${tape.columns().map(backing).join(', ')})`);
  }
  return true;
}
