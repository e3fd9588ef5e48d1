/** SET, SHOW and RESET of the session parameters a loader uses; others are refused. */
import { literal } from './identifier.js';
import { acknowledged, passed, type Plan } from './plan.js';
import { SqlError, unverified } from './sql-error.js';
import { fold } from './identifier.js';
import type { Tape } from './tape.js';

const PASSED = new Set([
  'search_path',
  'statement_timeout',
  'application_name',
  'datestyle',
  'timezone',
  'extra_float_digits',
]);
/** Redshift's own: noted, and shown back. */
const NOTED = new Set([
  'query_group',
  'wlm_query_slot_count',
  'enable_result_cache_for_session',
  'enable_case_sensitive_identifier',
  'error_on_nondeterministic_update',
  'client_encoding',
  'json_serialization_enable',
  'describe_field_name_in_uppercase',
]);

/** Parameters of one session, in its memory. */
export type Noted = Map<string, string>;

export function set(tape: Tape, noted: Noted): Plan {
  tape.expect('set');
  if (tape.sees('transaction')) throw unverified('SET TRANSACTION');
  if (tape.sees('local')) throw unverified('SET LOCAL');
  if (tape.sees('session', 'authorization')) throw unverified('SET SESSION AUTHORIZATION');
  tape.accept('session');
  const name = parameterName(tape);
  if (!tape.accept('=')) tape.expect('to');
  const values = [value(tape)];
  while (tape.accept(',')) values.push(value(tape));
  tape.finish();
  if (PASSED.has(name)) return passed('set', `SET ${name} TO ${values.map(literal).join(', ')}`);
  if (name === 'client_encoding' && !/^(utf-?8|unicode)$/i.test(values.join())) {
    throw unverified(`client_encoding ${values.join()}`);
  }
  return {
    verb: 'set',
    writes: false,
    run: () => Promise.resolve(noted.set(name, values.join(', '))).then(() => ({ tag: 'SET' })),
  };
}

function parameterName(tape: Tape): string {
  if (tape.accept('time', 'zone')) return 'timezone';
  const name = tape.name();
  if (PASSED.has(name) || NOTED.has(name)) return name;
  throw unverified(`the parameter ${name} is not modelled by the double`);
}

function value(tape: Tape): string {
  const token = tape.peek();
  if (token.kind === 'string') return tape.string();
  if (token.kind === 'op') return String(tape.integer());
  tape.take();
  if (token.kind === 'quoted') return fold(token.name);
  if (token.kind === 'word' || token.kind === 'number') return token.text;
  throw new SqlError('42601', `syntax error at or near "${token.text}"`);
}

const FIXED: Readonly<Record<string, string>> = {
  server_version: '8.0.2',
  server_encoding: 'UNICODE',
  client_encoding: 'UTF8',
};

export function show(tape: Tape, noted: Noted): Plan {
  tape.expect('show');
  const name = tape.name();
  tape.finish();
  const text = noted.get(name) ?? FIXED[name] ?? (NOTED.has(name) ? 'off' : undefined);
  if (text === undefined && PASSED.has(name)) return passed('show', `SHOW ${name}`);
  if (text === undefined) throw unverified(`the parameter ${name} is not modelled by the double`);
  const fields = [{ name, oid: 1043, size: -1, modifier: -1 }];
  return { verb: 'show', writes: false, run: () => Promise.resolve({ tag: 'SHOW', fields, rows: [[text]] }) };
}

export function reset(tape: Tape, noted: Noted): Plan {
  tape.expect('reset');
  const name = parameterName(tape);
  tape.finish();
  noted.delete(name);
  return PASSED.has(name) ? passed('reset', `RESET ${name}`) : acknowledged('reset', 'RESET');
}
