/**
 * Redshift's column types, as text and as what stands for them behind (reference/redshift.md 4.8, rules 43, 44).
 *
 * SUPER is jsonb and VARBYTE is bytea there; lengths are bytes, so character types carry a CHECK beside the
 * type, named so that the double can tell which Redshift error it stands for (`checkOf`).
 */
import { SqlError, unverified } from './sql-error.js';
import type { Tape } from './tape.js';

export type TypeName =
  | 'boolean'
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'numeric'
  | 'real'
  | 'double precision'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'time'
  | 'timetz'
  | 'char'
  | 'varchar'
  | 'varbyte'
  | 'super'
  | 'geometry'
  | 'geography'
  | 'hllsketch'
  | 'interval';

export interface RedshiftType {
  name: TypeName;
  /** Bytes of CHAR, VARCHAR, VARBYTE. */
  length?: number;
  precision?: number;
  scale?: number;
}

const SIMPLE: Readonly<Record<string, TypeName>> = {
  bool: 'boolean',
  boolean: 'boolean',
  int2: 'smallint',
  smallint: 'smallint',
  int: 'integer',
  int4: 'integer',
  integer: 'integer',
  int8: 'bigint',
  bigint: 'bigint',
  real: 'real',
  float4: 'real',
  float8: 'double precision',
  float: 'double precision',
  date: 'date',
  datetime: 'timestamp',
  timestamptz: 'timestamptz',
  timetz: 'timetz',
  super: 'super',
  geometry: 'geometry',
  geography: 'geography',
  hllsketch: 'hllsketch',
};

const ABSENT = new Set(
  `json jsonb bytea uuid xml enum bit money inet cidr macaddr serial bigserial smallserial array hstore point line
  polygon circle tsvector tsquery int4range int8range numrange daterange tsrange oid regclass name`.split(/\s+/),
);

/** Reads one type. Writes nothing. Refuses arrays and every type of c_unsupported-postgresql-datatypes. */
export function readType(tape: Tape): RedshiftType {
  const token = tape.take();
  if (token.kind !== 'word') throw new SqlError('42601', `syntax error at or near "${token.text}"`);
  const type = named(tape, token.word);
  if (tape.sees('[')) throw new SqlError('0A000', `Column "array" has unsupported type "${token.word}[]".`);
  return type;
}

function named(tape: Tape, word: string): RedshiftType {
  const simple = SIMPLE[word];
  if (simple !== undefined) {
    if (word === 'float' && tape.sees('(')) throw unverified('FLOAT with a precision');
    return { name: simple };
  }
  switch (word) {
    case 'double':
      tape.expect('precision');
      return { name: 'double precision' };
    case 'decimal':
    case 'numeric':
      return decimal(tape);
    case 'timestamp':
    case 'time':
      return { name: zoned(tape) ? `${word}tz` : word };
    case 'char':
    case 'character':
    case 'nchar':
      if (word !== 'nchar' && tape.accept('varying')) return characters(tape, 'varchar', 256, 65_535);
      return characters(tape, 'char', 1, 4096);
    case 'bpchar':
      return { name: 'char', length: 256 };
    case 'varchar':
    case 'nvarchar':
      return characters(tape, 'varchar', 256, 65_535);
    case 'text':
      return { name: 'varchar', length: 256 };
    case 'varbyte':
    case 'varbinary':
      return characters(tape, 'varbyte', 64_000, 16_777_216);
    case 'binary':
      tape.expect('varying');
      return characters(tape, 'varbyte', 64_000, 16_777_216);
    case 'interval':
      throw unverified('INTERVAL columns (absent in 2023, documented later with a qualifier)');
    default:
      if (ABSENT.has(word)) throw new SqlError('0A000', `Column type "${word}" is not supported.`);
      throw new SqlError('42704', `type "${word}" does not exist`);
  }
}

function zoned(tape: Tape): boolean {
  if (tape.sees('(')) throw unverified('a precision on TIME or TIMESTAMP');
  if (tape.accept('with', 'time', 'zone')) return true;
  tape.accept('without', 'time', 'zone');
  return false;
}

function characters(tape: Tape, name: 'char' | 'varchar' | 'varbyte', fallback: number, most: number): RedshiftType {
  if (!tape.accept('(')) return { name, length: fallback };
  const length = name !== 'varbyte' && tape.accept('max') ? most : tape.integer();
  tape.expect(')');
  if (length < 1) throw new SqlError('22023', `length for type ${name} must be at least 1`);
  if (length > most) throw new SqlError('22023', `length for type ${name} cannot exceed ${most}`);
  return { name, length };
}

function decimal(tape: Tape): RedshiftType {
  let precision = 18;
  let scale = 0;
  if (tape.accept('(')) {
    precision = tape.integer();
    if (tape.accept(',')) scale = tape.integer();
    tape.expect(')');
  }
  if (precision > 38 || scale > 37) throw new SqlError('22023', 'Precision exceeds maximum of 38');
  if (precision < 1) throw new SqlError('22023', `NUMERIC precision ${precision} must be between 1 and 38`);
  if (scale < 0 || scale > precision)
    throw new SqlError('22023', `NUMERIC scale ${scale} must be between 0 and precision ${precision}`);
  return { name: 'numeric', precision, scale };
}

/** The type that stands for it in the server behind. */
export function backingType(type: RedshiftType): string {
  switch (type.name) {
    case 'numeric':
      return `numeric(${type.precision},${type.scale})`;
    case 'varchar':
    case 'char':
      return `${type.name}(${type.length})`;
    case 'varbyte':
      return 'bytea';
    case 'super':
      return 'jsonb';
    case 'geometry':
    case 'geography':
    case 'hllsketch':
      return `redshift_double.${type.name}`;
    case 'interval':
      throw unverified(`columns of type ${type.name.toUpperCase()} (the double keeps no values of them)`);
    default:
      return type.name;
  }
}

/** The long spelling of SVV_ALL_COLUMNS and of error texts. */
export function shownType(type: RedshiftType): string {
  const long: Partial<Record<TypeName, string>> = {
    varchar: 'character varying',
    char: 'character',
    timestamp: 'timestamp without time zone',
    timestamptz: 'timestamp with time zone',
    varbyte: 'binary varying',
  };
  const name = long[type.name] ?? type.name;
  if (type.name === 'numeric') return `numeric(${type.precision},${type.scale})`;
  return type.length === undefined ? name : `${name}(${type.length})`;
}

/** The CHECK a column needs beside its type, or nothing. `sql` is the quoted column. */
export function checkOf(type: RedshiftType, sql: string): { kind: string; condition: string } | undefined {
  if (type.name === 'varchar') return { kind: `vc${type.length}`, condition: `octet_length(${sql}) <= ${type.length}` };
  if (type.name === 'varbyte') return { kind: `vb${type.length}`, condition: `octet_length(${sql}) <= ${type.length}` };
  // The cast drops the padding on both sides; without it char_length() does and octet_length() does not.
  if (type.name === 'char')
    return { kind: `ch${type.length}`, condition: `octet_length(${sql}::text) = char_length(${sql}::text)` };
  if (type.name === 'numeric' && type.precision === 19) {
    const most = `9223372036854775807e-${type.scale}::numeric`;
    return { kind: 'd19', condition: `abs(${sql}) <= ${most}` };
  }
  return undefined;
}
