/** One column of CREATE TABLE or ALTER TABLE ADD: attributes read, checked, written for the server behind. */
import { createHash } from 'node:crypto';
import { expression } from './expression.js';
import { backing, refuseSystemColumn } from './identifier.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import type { Tape } from './tape.js';
import { backingType, checkOf, readType, type RedshiftType } from './type-name.js';

export interface ColumnSpec {
  name: string;
  type: RedshiftType;
  notNull: boolean;
  defaultSql?: string;
  identity?: { seed: number; step: number; always: boolean };
  encode?: string;
  distkey: boolean;
  sortkey: boolean;
  primary: boolean;
  unique: boolean;
  references?: string;
}

const ENCODINGS = new Set(
  'raw az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 runlength text255 text32k zstd auto'.split(' '),
);
const AZ64 = new Set([
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'date',
  'timestamp',
  'timestamptz',
  'time',
  'timetz',
]);
/** Types that cannot be DISTKEY or SORTKEY. */
const KEYLESS = new Set(['super', 'varbyte', 'geometry', 'geography', 'hllsketch']);

export function readColumn(tape: Tape): ColumnSpec {
  const name = tape.name();
  refuseSystemColumn(name, true);
  const word = tape.peek();
  if (word.kind === 'word' && /^(big|small)?serial[248]?$/.test(word.word)) {
    throw unsupported(`Column type "${word.word}" is not supported.`, 'Use IDENTITY(seed, step).');
  }
  const spec: ColumnSpec = {
    name,
    type: readType(tape),
    notNull: false,
    distkey: false,
    sortkey: false,
    primary: false,
    unique: false,
  };
  backingType(spec.type);
  while (attribute(tape, spec));
  return check(spec);
}

function attribute(tape: Tape, spec: ColumnSpec): boolean {
  if (tape.accept('not', 'null')) spec.notNull = true;
  else if (tape.accept('null')) spec.notNull = false;
  else if (tape.accept('distkey')) spec.distkey = true;
  else if (tape.accept('sortkey')) spec.sortkey = true;
  else if (tape.accept('unique')) spec.unique = true;
  else if (tape.accept('primary', 'key')) {
    spec.primary = true;
    spec.notNull = true;
  } else if (tape.accept('encode')) spec.encode = encoding(tape);
  else if (tape.accept('identity')) spec.identity = { ...seedStep(tape), always: true };
  else if (tape.accept('generated')) generated(tape, spec);
  else if (tape.accept('default')) spec.defaultSql = defaultOf(tape);
  else if (tape.accept('references')) {
    spec.references = tape.writeTable().name;
    if (tape.sees('(')) tape.columns();
  } else if (tape.sees('check') || tape.sees('constraint')) throw unsupported('CHECK constraints are not supported');
  else if (tape.sees('collate')) throw unverified('COLLATE on a column');
  else return false;
  return true;
}

function generated(tape: Tape, spec: ColumnSpec): void {
  if (tape.sees('always')) throw syntaxError('always');
  tape.expect('by', 'default', 'as', 'identity');
  spec.identity = { ...seedStep(tape), always: false };
}

function seedStep(tape: Tape): { seed: number; step: number } {
  tape.expect('(');
  const seed = tape.integer();
  tape.expect(',');
  const step = tape.integer();
  tape.expect(')');
  if (step === 0) throw new SqlError('22023', 'IDENTITY step must not be zero');
  return { seed, step };
}

function defaultOf(tape: Tape): string {
  const mark = tape.mark();
  const leaders = tape.leader.size;
  expression(tape);
  if (tape.leader.size > leaders) throw unverified('a leader-node function as a DEFAULT; use GETDATE() or SYSDATE');
  return tape.cut(mark);
}

function encoding(tape: Tape): string {
  const token = tape.take();
  if (token.kind !== 'word' || !ENCODINGS.has(token.word))
    throw new SqlError('42601', `syntax error at or near "${token.text}"`);
  return token.word;
}

function check(spec: ColumnSpec): ColumnSpec {
  if (spec.identity !== undefined && spec.type.name !== 'integer' && spec.type.name !== 'bigint') {
    throw new SqlError('42804', `identity column "${spec.name}" must be of type INT or BIGINT`);
  }
  if (spec.encode === 'az64' && !AZ64.has(spec.type.name)) {
    throw new SqlError('42P16', `invalid encoding type specified for column "${spec.name}"`);
  }
  if (spec.distkey || spec.sortkey) refuseKey(spec.name, spec.type);
  return spec;
}

export function refuseKey(name: string, type: RedshiftType): void {
  if (!KEYLESS.has(type.name)) return;
  throw unsupported(`column "${name}" of type ${type.name.toUpperCase()} cannot be a distribution or sort key`);
}

/** The column for the server behind, its CHECK included. */
export function columnDefinition(spec: ColumnSpec): string {
  const sql = backing(spec.name);
  const parts = [sql, backingType(spec.type)];
  if (spec.notNull) parts.push('NOT NULL');
  if (spec.defaultSql !== undefined) parts.push(`DEFAULT ${spec.defaultSql}`);
  if (spec.identity !== undefined) {
    const { seed, step, always } = spec.identity;
    const low = `MINVALUE ${Math.min(seed, step > 0 ? 1 : -2_147_483_648)}`;
    parts.push(
      `GENERATED ${always ? 'ALWAYS' : 'BY DEFAULT'} AS IDENTITY (START WITH ${seed} INCREMENT BY ${step} ${low}`,
    );
    parts.push(step > 0 ? ')' : `MAXVALUE ${Math.max(seed, -1)})`);
  }
  const rule = checkDefinition(spec.name, spec.type);
  if (rule !== undefined) parts.push(rule);
  return parts.join(' ');
}

/** `CONSTRAINT name CHECK (…)`; the name tells the double which Redshift error a violation stands for. */
export function checkDefinition(name: string, type: RedshiftType): string | undefined {
  const rule = checkOf(type, backing(name));
  if (rule === undefined) return undefined;
  return `CONSTRAINT ${checkName(rule.kind, name)} CHECK (${rule.condition})`;
}

export function checkName(kind: string, column: string): string {
  return `"rsd_${kind}_${createHash('sha256').update(column).digest('hex').slice(0, 12)}"`;
}
