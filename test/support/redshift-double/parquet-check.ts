/**
 * Which Parquet column loads into which Redshift column (reference/redshift.md 1.3, 1.4; rules 22 to 27, 30).
 * Three outcomes: nothing (proven to load), a ScanError (known to fail), or UNVERIFIED.
 */
import type { SchemaElement } from 'hyparquet';
import { ScanError } from './error-envelope.js';
import type { FileColumn, ParquetFile } from './parquet-file.js';
import { SqlError, unverified } from './sql-error.js';
import type { Column } from './table-columns.js';
import { type RedshiftType, shownType } from './type-name.js';

export type Annotation =
  | { kind: 'none' | 'string' | 'enum' | 'json' | 'date' | 'time' | 'other' }
  | { kind: 'int'; bits: number; signed: boolean }
  | { kind: 'decimal'; precision: number; scale: number }
  | { kind: 'timestamp'; unit: string; utc: boolean };

export function annotation(element: SchemaElement): Annotation {
  const logical = element.logical_type;
  switch (logical?.type) {
    case 'STRING':
    case 'ENUM':
    case 'JSON':
    case 'DATE':
    case 'TIME':
      return { kind: logical.type.toLowerCase() as 'string' };
    case 'INTEGER':
      return { kind: 'int', bits: logical.bitWidth, signed: logical.isSigned };
    case 'DECIMAL':
      return { kind: 'decimal', precision: logical.precision, scale: logical.scale };
    case 'TIMESTAMP':
      return { kind: 'timestamp', unit: logical.unit, utc: logical.isAdjustedToUTC };
    case undefined:
      return converted(element);
    default:
      return { kind: 'other' };
  }
}

function converted(element: SchemaElement): Annotation {
  const type = element.converted_type;
  if (type === undefined) return { kind: 'none' };
  const int = /^(U?)INT_(\d+)$/.exec(type);
  if (int !== null) return { kind: 'int', bits: Number(int[2]), signed: int[1] === '' };
  if (type === 'UTF8') return { kind: 'string' };
  if (type === 'ENUM' || type === 'JSON' || type === 'DATE') return { kind: type.toLowerCase() as 'enum' };
  if (type === 'DECIMAL') return { kind: 'decimal', precision: element.precision ?? 0, scale: element.scale ?? 0 };
  if (type === 'TIMESTAMP_MICROS' || type === 'TIMESTAMP_MILLIS')
    return { kind: 'timestamp', unit: type.slice(10), utc: true };
  if (type === 'TIME_MILLIS' || type === 'TIME_MICROS') return { kind: 'time' };
  return { kind: 'other' };
}

/** The fewest bytes that hold every value of DECIMAL(p): 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, … 16. */
export function decimalBytes(precision: number): number {
  let bytes = 1;
  while (10n ** BigInt(precision) > 2n ** BigInt(8 * bytes - 1)) bytes += 1;
  return bytes;
}

/** Throws when the file's column cannot be loaded into the table's. */
export function checkColumn(file: ParquetFile, index: number, target: Column, serializeToJson: boolean): void {
  const column = file.columns[index] as FileColumn;
  if (target.type.name === 'super') {
    if (serializeToJson) return;
    throw new SqlError('XX000', 'SUPER column in COPY query requires SERIALIZETOJSON option');
  }
  if (column.nested) {
    throw new ScanError(1000, 'Unreachable - Invalid type: 4000', {
      title: 'Assert',
      file: file.url,
      column: target.name,
    });
  }
  const verdict = judge(column.element, target.type);
  if (verdict === 'loads') return;
  const what = `${describe(column.element)} into ${shownType(target.type)} (File '${file.url}', column '${target.name}')`;
  if (verdict === 'unknown') throw unverified(what);
  throw incompatible(file, index, target);
}

type Verdict = 'loads' | 'fails' | 'unknown';

function judge(element: SchemaElement, type: RedshiftType): Verdict {
  const note = annotation(element);
  const physical = element.type;
  switch (type.name) {
    case 'boolean':
      return physical === 'BOOLEAN' ? 'loads' : 'fails';
    case 'smallint':
    case 'integer':
    case 'bigint':
      return integer(element, type.name, note);
    case 'numeric':
      return decimal(element, type, note);
    case 'real':
      return physical === 'FLOAT' ? 'loads' : 'fails';
    case 'double precision':
      if (physical === 'DOUBLE') return 'loads';
      return physical === 'FLOAT' || physical === 'INT32' ? 'unknown' : 'fails';
    case 'date':
      return physical === 'INT32' && note.kind === 'date' ? 'loads' : 'fails';
    case 'timestamp':
      if (physical === 'INT96') return 'loads';
      return instant(element, note, false);
    case 'timestamptz':
      return physical === 'INT96' ? 'unknown' : instant(element, note, true);
    case 'char':
      return physical === 'BYTE_ARRAY' && note.kind === 'string' ? 'loads' : text(element, note);
    case 'varchar':
      return text(element, note);
    case 'varbyte':
      if (physical !== 'BYTE_ARRAY') return 'fails';
      return note.kind === 'none' ? 'loads' : 'unknown';
    default:
      return 'fails';
  }
}

function integer(element: SchemaElement, name: 'smallint' | 'integer' | 'bigint', note: Annotation): Verdict {
  const physical = element.type;
  if (physical !== 'INT32' && physical !== 'INT64') return 'fails';
  if (note.kind === 'int' && !note.signed) return 'unknown';
  if (note.kind !== 'none' && note.kind !== 'int') return 'fails';
  const bits = note.kind === 'int' ? note.bits : undefined;
  if (name === 'bigint') return physical === 'INT64' && (bits ?? 64) === 64 ? 'loads' : 'unknown';
  if (physical === 'INT64') return 'fails';
  if (name === 'integer') return (bits ?? 32) === 32 ? 'loads' : 'unknown';
  if (bits === 16) return 'loads';
  return bits === 8 ? 'unknown' : 'fails';
}

function decimal(element: SchemaElement, type: RedshiftType, note: Annotation): Verdict {
  const precision = type.precision ?? 0;
  if (note.kind !== 'decimal') return 'fails';
  if (element.type === 'INT32' || element.type === 'BYTE_ARRAY') return 'unknown';
  if (element.type === 'FIXED_LEN_BYTE_ARRAY') {
    if (element.type_length !== decimalBytes(precision)) return 'fails';
  } else if (element.type !== 'INT64') return 'fails';
  else if (precision < 10 || precision > 18) return 'unknown';
  if (note.scale !== type.scale) return 'fails';
  return note.precision === precision ? 'loads' : 'unknown';
}

function instant(element: SchemaElement, note: Annotation, utc: boolean): Verdict {
  if (element.type !== 'INT64' || note.kind !== 'timestamp' || note.unit === 'NANOS') return 'fails';
  return note.unit === 'MICROS' && note.utc === utc ? 'loads' : 'unknown';
}

function text(element: SchemaElement, note: Annotation): Verdict {
  if (element.type !== 'BYTE_ARRAY') return 'fails';
  if (note.kind === 'string' || note.kind === 'enum' || note.kind === 'json') return 'loads';
  return note.kind === 'none' ? 'unknown' : 'fails';
}

/** The recorded texts of a mismatch: the length of a decimal, its scale, or the whole schema. */
function incompatible(file: ParquetFile, index: number, target: Column): ScanError {
  const { element } = file.columns[index] as FileColumn;
  const where = { file: file.url, column: target.name, columnType: shownType(target.type) };
  const note = annotation(element);
  if (target.type.name === 'numeric' && note.kind === 'decimal') {
    const expected = decimalBytes(target.type.precision ?? 0);
    if (element.type === 'FIXED_LEN_BYTE_ARRAY' && element.type_length !== expected) {
      const lengths = `Expecting: ${expected} len in file: ${element.type_length}`;
      return new ScanError(
        15_001,
        `File '${file.url}' column '${element.name}' has an invalid type length. ${lengths}`,
        where,
      );
    }
    const scales = `File metadata scale: ${note.scale} Table metadata scale: ${target.type.scale}`;
    const text = `File '${file.url}' column '${element.name}' has a scale that does not match the table metadata scale. ${scales}`;
    if (note.scale !== target.type.scale) return new ScanError(15_007, text, where);
  }
  const level = element.repetition_type === 'REQUIRED' ? 0 : 1;
  const schema = `${describe(element)} [i:${index} d:${level} r:0]`;
  return new ScanError(
    15_007,
    `File '${file.url}' has an incompatible Parquet schema for column '${file.path}.${element.name}'. ` +
      `Column type: ${typeWord(target.type)}, Parquet schema:\n${schema}\n`,
    where,
  );
}

function typeWord(type: RedshiftType): string {
  if (type.name === 'numeric') return `DECIMAL(${type.precision}, ${type.scale})`;
  return type.name.toUpperCase();
}

function describe(element: SchemaElement): string {
  const length = element.type === 'FIXED_LEN_BYTE_ARRAY' ? `(${element.type_length})` : '';
  const note = annotation(element);
  const words: Record<string, string> = {
    int: note.kind === 'int' ? ` (INT(${note.bits},${note.signed}))` : '',
    decimal: note.kind === 'decimal' ? ` (DECIMAL(${note.precision},${note.scale}))` : '',
    timestamp: note.kind === 'timestamp' ? ` (TIMESTAMP(${note.unit},${note.utc}))` : '',
    none: '',
  };
  const shown = words[note.kind] ?? ` (${note.kind.toUpperCase()})`;
  return `${(element.repetition_type ?? 'REQUIRED').toLowerCase()} ${(element.type ?? 'group').toLowerCase()}${length} ${element.name}${shown}`;
}
