/**
 * What COPY loads into which Redshift type, by how a column is stored in the Parquet file. COPY looks at nothing else:
 * not at the Arrow schema beside it, not at names. Facts: reference/redshift.md sections 1.3 and 1.4.
 */

/** How a column is stored: its physical type, and what is noted about it. */
export interface StoredColumn {
  name: string;
  physical: Physical;
  /** Bytes of FIXED_LEN_BYTE_ARRAY; 0 for the others. */
  fixedBytes: number;
  note: Note;
  /** A list, a map or a structure. */
  nested: boolean;
}

export type Physical =
  | 'BOOLEAN'
  | 'INT32'
  | 'INT64'
  | 'INT96'
  | 'FLOAT'
  | 'DOUBLE'
  | 'BYTE_ARRAY'
  | 'FIXED_LEN_BYTE_ARRAY';

export type Note =
  | { kind: 'none' | 'string' | 'enum' | 'json' | 'date' | 'time' | 'other' }
  | { kind: 'integer'; bits: number; signed: boolean }
  | { kind: 'decimal'; precision: number; scale: number }
  | { kind: 'timestamp'; unit: 'MILLIS' | 'MICROS' | 'NANOS'; utc: boolean };

/** `unknown`: neither documented nor reported by anybody. */
export type Verdict = 'loads' | 'refused' | 'unknown';

/** What COPY does with a stored column and a column of the canonical type. */
export function copyVerdict(stored: StoredColumn, type: string): Verdict {
  if (stored.nested) return 'refused';
  const [, base = type, first, second] = /^([A-Z ]+?)(?:\((\d+)(?:,(\d+))?\))?$/.exec(type) ?? [];
  const judge = JUDGES[base];
  return judge ? judge(stored, Number(first ?? 0), Number(second ?? 0)) : 'refused';
}

type Judge = (stored: StoredColumn, first: number, second: number) => Verdict;

const when = (holds: boolean, otherwise: Verdict = 'refused'): Verdict => (holds ? 'loads' : otherwise);

const JUDGES: Readonly<Record<string, Judge>> = {
  BOOLEAN: ({ physical }) => when(physical === 'BOOLEAN'),
  SMALLINT: (stored) => integer(stored, 16),
  INTEGER: (stored) => integer(stored, 32),
  BIGINT: (stored) => integer(stored, 64),
  DECIMAL: decimal,
  REAL: ({ physical }) => when(physical === 'FLOAT'),
  'DOUBLE PRECISION': ({ physical }) =>
    when(physical === 'DOUBLE', physical === 'FLOAT' || physical === 'INT32' ? 'unknown' : 'refused'),
  DATE: ({ physical, note }) => when(physical === 'INT32' && note.kind === 'date'),
  TIMESTAMP: (stored) => (stored.physical === 'INT96' ? 'loads' : moment(stored, false)),
  TIMESTAMPTZ: (stored) => (stored.physical === 'INT96' ? 'unknown' : moment(stored, true)),
  CHAR: text,
  VARCHAR: text,
  VARBYTE: ({ physical, note }) => (physical === 'BYTE_ARRAY' ? when(note.kind === 'none', 'unknown') : 'refused'),
};

/** Widths are not converted: 16 bits have to be noted as such, and an unsigned note is unheard of. */
function integer({ physical, note }: StoredColumn, bits: 16 | 32 | 64): Verdict {
  if (physical !== 'INT32' && physical !== 'INT64') return 'refused';
  if (note.kind !== 'none' && note.kind !== 'integer') return 'refused';
  const own = note.kind === 'integer' ? note.bits : physical === 'INT64' ? 64 : 32;
  if (note.kind === 'integer' && (!note.signed || own < 16)) return 'unknown';
  if (own === bits) return 'loads';
  return own < bits ? 'unknown' : 'refused';
}

function decimal({ physical, fixedBytes, note }: StoredColumn, precision: number, scale: number): Verdict {
  if (note.kind !== 'decimal' || note.scale !== scale) return 'refused';
  if (physical === 'INT32' || physical === 'BYTE_ARRAY') return 'unknown';
  if (physical === 'FIXED_LEN_BYTE_ARRAY' && fixedBytes !== decimalBytes(precision)) return 'refused';
  if (physical === 'INT64' && (precision < 10 || precision > 18)) return 'unknown';
  return when(note.precision === precision, 'unknown');
}

/** The fewest bytes in which every value of DECIMAL(precision) has room, its sign included. */
export function decimalBytes(precision: number): number {
  return Math.ceil(((10n ** BigInt(precision)).toString(2).length + 1) / 8);
}

function moment({ physical, note }: StoredColumn, utc: boolean): Verdict {
  if (physical !== 'INT64' || note.kind !== 'timestamp' || note.unit === 'NANOS') return 'refused';
  return when(note.unit === 'MICROS' && note.utc === utc, 'unknown');
}

function text({ physical, note }: StoredColumn): Verdict {
  if (physical !== 'BYTE_ARRAY') return 'refused';
  if (note.kind === 'none') return 'unknown';
  return when(note.kind === 'string' || note.kind === 'enum' || note.kind === 'json');
}

/** `INT64 TIMESTAMP(NANOS, not UTC)`, for messages. */
export function storageText({ physical, fixedBytes, note, nested }: StoredColumn): string {
  if (nested) return 'a list or structure';
  const shape = physical === 'FIXED_LEN_BYTE_ARRAY' ? `${physical}(${fixedBytes})` : physical;
  switch (note.kind) {
    case 'none':
      return shape;
    case 'integer':
      return `${shape} ${note.signed ? 'INT' : 'UINT'}(${note.bits})`;
    case 'decimal':
      return `${shape} DECIMAL(${note.precision},${note.scale})`;
    case 'timestamp':
      return `${shape} TIMESTAMP(${note.unit}, ${note.utc ? 'UTC' : 'not UTC'})`;
    default:
      return `${shape} ${note.kind.toUpperCase()}`;
  }
}
