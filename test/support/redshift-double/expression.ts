/** Expressions: read by Redshift's grammar, written for the server behind. Acceptance only; no tree is built. */
import { backing } from './identifier.js';
import { AGGREGATES, backingFunction, LEADER_ONLY, WINDOW_ONLY } from './function-list.js';
import { query } from './query.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import type { Tape } from './tape.js';
import { backingType, readType } from './type-name.js';

const BINARY = ['=', '<>', '!=', '<', '>', '<=', '>=', '+', '-', '*', '/', '%', '||'];

/** One expression with AND and OR. */
export function expression(tape: Tape): void {
  chain(tape, true);
}

export function expressions(tape: Tape): void {
  expression(tape);
  while (tape.keep(',')) expression(tape);
}

/** `logical` false stops before AND and OR, for the middle of BETWEEN. */
function chain(tape: Tape, logical: boolean): void {
  operand(tape);
  for (;;) {
    if (BINARY.some((op) => tape.keep(op)) || (logical && (tape.keep('and') || tape.keep('or')))) operand(tape);
    else if (!suffix(tape)) return;
  }
}

function suffix(tape: Tape): boolean {
  if (tape.keep('::')) {
    tape.emit(castType(tape));
    return true;
  }
  if (tape.keep('is')) {
    tape.keep('not');
    if (tape.sees('distinct')) throw syntaxError('distinct');
    if (!tape.keep('null') && !tape.keep('true') && !tape.keep('false') && !tape.keep('unknown')) tape.fail();
    return true;
  }
  if (tape.keep('at')) {
    tape.need('time', 'zone');
    operand(tape);
    return true;
  }
  if (tape.sees('collate')) throw unsupported('COLLATE is not modelled by the double');
  const negated = tape.sees('not') && ['in', 'between', 'like', 'ilike'].includes(wordAt(tape, 1));
  if (negated) tape.need('not');
  if (tape.keep('in')) inList(tape);
  else if (tape.keep('between')) {
    chain(tape, false);
    tape.need('and');
    chain(tape, false);
  } else if (tape.keep('like') || tape.keep('ilike')) {
    operand(tape);
    if (tape.keep('escape')) tape.emitString(tape.string());
  } else return false;
  return true;
}

function wordAt(tape: Tape, ahead: number): string {
  const token = tape.peek(ahead);
  return token.kind === 'word' ? token.word : '';
}

function inList(tape: Tape): void {
  tape.need('(');
  if (tape.seesAny('select', 'with')) subquery(tape);
  else expressions(tape);
  tape.need(')');
}

function subquery(tape: Tape): void {
  tape.subqueries += 1;
  query(tape);
}

function operand(tape: Tape): void {
  const token = tape.peek();
  if (token.kind === 'string') {
    tape.take();
    tape.emitString(token.value);
  } else if (token.kind === 'number' || token.kind === 'param') {
    tape.take();
    tape.emit(token.text);
  } else if (token.kind === 'op') operator(tape);
  else if (token.kind === 'word') word(tape, token.word);
  else if (token.kind === 'quoted') path(tape);
  else tape.fail();
}

function operator(tape: Tape): void {
  if (tape.keep('-') || tape.keep('+')) return operand(tape);
  tape.need('(');
  if (tape.seesAny('select', 'with')) subquery(tape);
  else if (tape.sees('values')) throw syntaxError('values');
  else expressions(tape);
  tape.need(')');
}

function word(tape: Tape, name: string): void {
  if (tape.keep('not')) return operand(tape);
  if (tape.keep('null') || tape.keep('true') || tape.keep('false')) return;
  if (name === 'case') return caseOf(tape);
  if (name === 'cast') return cast(tape);
  if (tape.keep('exists')) return inListOnlyQuery(tape);
  if (name === 'array' || name === 'row') throw unsupported(`${name.toUpperCase()} constructors are not supported`);
  if (tape.accept('sysdate')) return tape.emit('redshift_double.sysdate()');
  if (tape.keep('current_date') || tape.keep('current_user') || tape.keep('session_user')) return;
  if (name === 'current_timestamp' || name === 'current_time' || name === 'localtimestamp' || name === 'localtime') {
    tape.leader.add(name);
    tape.need(name);
    return;
  }
  if ((name === 'date' || name === 'timestamp' || name === 'timestamptz') && tape.peek(1).kind === 'string') {
    tape.need(name);
    return tape.emitString(tape.string());
  }
  if (name === 'interval') throw unverified('INTERVAL literals');
  if (isCall(tape)) return call(tape, name);
  path(tape);
}

function isCall(tape: Tape): boolean {
  const next = tape.peek(1);
  return next.kind === 'op' && next.text === '(';
}

function inListOnlyQuery(tape: Tape): void {
  tape.need('(');
  subquery(tape);
  tape.need(')');
}

function caseOf(tape: Tape): void {
  tape.need('case');
  if (!tape.sees('when')) expression(tape);
  do {
    tape.need('when');
    expression(tape);
    tape.need('then');
    expression(tape);
  } while (tape.sees('when'));
  if (tape.keep('else')) expression(tape);
  tape.need('end');
}

function cast(tape: Tape): void {
  tape.need('cast');
  tape.need('(');
  expression(tape);
  tape.need('as');
  tape.emit(castType(tape));
  tape.need(')');
}

/** Types of a cast: VARCHAR and TEXT without a length stay open-ended, the rest are checked like columns. */
function castType(tape: Tape): string {
  const open = tape.seesAny('varchar', 'text') && !(tape.peek(1).kind === 'op' && tape.peek(1).text === '(');
  const type = readType(tape);
  if (open) return 'varchar';
  if (type.name === 'super' || type.name === 'varbyte') throw unverified(`a cast to ${type.name.toUpperCase()}`);
  return backingType(type);
}

function call(tape: Tape, name: string): void {
  if (name === 'pg_last_copy_count' || name === 'pg_last_copy_id') return lastCopy(tape, name);
  if (name === 'extract') return extract(tape);
  const target = backingFunction(name);
  if (LEADER_ONLY.has(name)) tape.leader.add(name);
  tape.take();
  tape.emit(target);
  tape.need('(');
  const distinct = tape.keep('distinct');
  if (distinct && !AGGREGATES.has(name)) tape.fail();
  if (!(name === 'count' && tape.keep('*')) && !tape.sees(')')) expressions(tape);
  if (tape.sees('order')) throw syntaxError('order');
  tape.need(')');
  if (tape.sees('filter')) throw syntaxError('filter');
  if (name === 'listagg') throw unverified('LISTAGG is not modelled by the double');
  if (tape.sees('over')) window(tape, name);
  else if (WINDOW_ONLY.has(name)) throw new SqlError('42809', `window function call requires an OVER clause`);
}

function lastCopy(tape: Tape, name: 'pg_last_copy_count' | 'pg_last_copy_id'): void {
  tape.take();
  tape.expect('(', ')');
  const value = name === 'pg_last_copy_count' ? `${tape.setting.copyCount}::bigint` : `${tape.setting.copyId}::integer`;
  tape.leader.add(name);
  tape.emit(`redshift_double.${name}(${value})`);
}

function extract(tape: Tape): void {
  tape.need('extract');
  tape.need('(');
  const part = tape.take();
  if (part.kind !== 'word' || !/^(year|month|day|hour|minute|second|epoch)$/.test(part.word))
    throw unverified('EXTRACT of this part');
  tape.emit(part.word);
  tape.need('from');
  expression(tape);
  tape.need(')');
}

function window(tape: Tape, name: string): void {
  tape.need('over');
  tape.need('(');
  if (tape.keep('partition')) {
    tape.need('by');
    expressions(tape);
  }
  const ordered = tape.sees('order');
  if (ordered) orderBy(tape);
  const framed = tape.sees('rows');
  if (framed) frame(tape);
  if (tape.seesAny('range', 'groups')) throw unsupported('only ROWS frames are supported');
  tape.need(')');
  if (ordered && !framed && (AGGREGATES.has(name) || name === 'first_value' || name === 'last_value')) {
    throw unsupported('Aggregate window functions with an ORDER BY clause require a frame clause');
  }
}

function frame(tape: Tape): void {
  tape.need('rows');
  if (!tape.keep('between')) return bound(tape);
  bound(tape);
  tape.need('and');
  bound(tape);
}

function bound(tape: Tape): void {
  if (tape.keep('current')) return tape.need('row');
  if (!tape.keep('unbounded')) tape.emit(String(tape.integer()));
  if (!tape.keep('preceding') && !tape.keep('following')) tape.fail();
}

/** `ORDER BY expression [ASC|DESC] [NULLS FIRST|LAST], …`. */
export function orderBy(tape: Tape): void {
  tape.need('order');
  tape.need('by');
  do {
    expression(tape);
    if (!tape.keep('asc')) tape.keep('desc');
    if (tape.keep('nulls') && !tape.keep('first') && !tape.keep('last')) tape.fail();
  } while (tape.keep(','));
}

/** `column`, `table.column`, `schema.table.column`, or the same ending in `.*`. */
function path(tape: Tape): void {
  let sql = backing(tape.column());
  while (tape.accept('.')) {
    if (tape.accept('*')) return tape.emit(`${sql}.*`);
    sql += `.${backing(tape.column())}`;
  }
  if (tape.sees('[')) throw unverified('navigation into SUPER values');
  tape.emit(sql);
}
