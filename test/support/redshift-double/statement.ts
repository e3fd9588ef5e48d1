/** Which grammar a statement belongs to. What none of them takes is refused here and goes nowhere (rule 65). */
import { alterTable } from './alter-table.js';
import type { CopyPlans } from './copy.js';
import { createTable } from './create-table.js';
import { comment, createOther, drop, grant } from './definition.js';
import { insert, remove, update } from './dml.js';
import { analyze, lock, truncate, vacuum } from './maintenance.js';
import { merge } from './merge.js';
import { type Noted, reset, set, show } from './parameter.js';
import { passed, type Plan } from './plan.js';
import { query } from './query.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import { type Setting, Tape } from './tape.js';
import type { Token } from './token.js';
import { begin, commit, type Isolation, rollback, savepoint } from './transaction.js';

export interface Context {
  setting: Setting;
  noted: Noted;
  isolation: Isolation;
  copy: CopyPlans;
}

const MOST_BYTES = 16_777_216;
/** Words PostgreSQL or Redshift starts a statement with and the double has no grammar for. */
const KNOWN = new Set(
  `explain declare fetch close prepare execute deallocate call do listen notify unlisten unload cancel discard checkpoint
  reindex cluster reassign refresh security table values import load move use describe desc`.split(/\s+/),
);

/** Rule 61. */
export function refuseSize(sql: string): void {
  const bytes = Buffer.byteLength(sql);
  if (bytes <= MOST_BYTES) return;
  throw new SqlError(
    '42601',
    `Statement is too large. Statement Size: ${bytes} bytes. Maximum Allowed: ${MOST_BYTES} bytes`,
  );
}

export function plan(tokens: readonly Token[], context: Context): Plan {
  const tape = new Tape(tokens, context.setting);
  const made = grammar(tape, context);
  leaderOnly(tape);
  return made;
}

/** True for what a failed transaction still accepts. */
export function endsTransaction(tokens: readonly Token[]): boolean {
  const first = tokens[0];
  return first?.kind === 'word' && ['commit', 'end', 'rollback', 'abort'].includes(first.word);
}

function grammar(tape: Tape, context: Context): Plan {
  const first = tape.peek();
  const word = first.kind === 'word' ? first.word : '';
  switch (word) {
    case 'begin':
    case 'start':
      return begin(tape, context.isolation);
    case 'commit':
    case 'end':
      return commit(tape);
    case 'rollback':
    case 'abort':
      return rollback(tape);
    case 'savepoint':
    case 'release':
      throw savepoint(word.toUpperCase());
    case 'set':
      return set(tape, context.noted);
    case 'show':
      return show(tape, context.noted);
    case 'reset':
      return reset(tape, context.noted);
    case 'with':
      return beginsDelete(tape) ? remove(tape) : select(tape);
    case 'select':
      return select(tape);
    case 'insert':
      return insert(tape);
    case 'update':
      return update(tape);
    case 'delete':
      return remove(tape);
    case 'merge':
      return merge(tape);
    case 'copy':
      return context.copy.plan(tape);
    default:
      return definition(tape, word, first.text);
  }
}

function definition(tape: Tape, word: string, text: string): Plan {
  switch (word) {
    case 'create':
      return createsTable(tape) ? createTable(tape) : createOther(tape);
    case 'alter':
      if (tape.sees('alter', 'table')) return alterTable(tape);
      if (tape.sees('alter', 'type')) throw unsupported('SQL command "ALTER TYPE" not supported.');
      throw unverified('this ALTER is not modelled by the double');
    case 'drop':
      return drop(tape);
    case 'truncate':
      return truncate(tape);
    case 'lock':
      return lock(tape);
    case 'vacuum':
      return vacuum(tape);
    case 'analyze':
    case 'analyse':
      return analyze(tape);
    case 'grant':
    case 'revoke':
      return grant(tape);
    case 'comment':
      return comment(tape);
    default:
      if (KNOWN.has(word)) throw unverified(`${word.toUpperCase()} is not modelled by the double`);
      throw syntaxError(text);
  }
}

function createsTable(tape: Tape): boolean {
  for (let ahead = 1; ahead < 4; ahead++) {
    const token = tape.peek(ahead);
    if (token.kind !== 'word') return false;
    if (token.word === 'table') return true;
    if (!['temp', 'temporary', 'local', 'global', 'unlogged'].includes(token.word)) return false;
  }
  return false;
}

/** Whether the statement after WITH is a DELETE: the first word at depth 0 that starts one. */
function beginsDelete(tape: Tape): boolean {
  let depth = 0;
  for (let ahead = 1; ; ahead++) {
    const token = tape.peek(ahead);
    if (token.kind === 'end') return false;
    if (token.kind === 'op') depth += token.text === '(' ? 1 : token.text === ')' ? -1 : 0;
    if (depth !== 0 || token.kind !== 'word') continue;
    if (token.word === 'select') return false;
    if (token.word === 'delete') return true;
    if (token.word === 'insert' || token.word === 'update') throw unverified(`WITH before ${token.word.toUpperCase()}`);
  }
}

function select(tape: Tape): Plan {
  query(tape);
  tape.finish();
  const sql = tape.text();
  const { history, catalogue } = tape.views;
  if (history === 0) return passed('select', sql);
  if (tape.userTables.length > 0 || catalogue > 0) throw unverified('load records joined with other tables');
  return {
    verb: 'select',
    writes: false,
    async run(executor, values) {
      const { tag, fields, rows } = await executor.history(sql, values);
      return { tag, fields, rows };
    },
  };
}

/** Rule 56: a leader-node function beside a user's table. */
function leaderOnly(tape: Tape): void {
  if (tape.leader.size === 0 || tape.userTables.length === 0) return;
  throw new SqlError('0A000', 'Specified types or functions (one per INFO message) not supported on Redshift tables.');
}
