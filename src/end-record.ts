/**
 * What a complete stream ends with. EOF proves nothing: a killed producer looks the same as a finished
 * one (reference/reliability.md section 0), so every stream between our programs carries its own end.
 */
import { Failure, upstreamFailure } from './errors.js';

/** A cursor position: the values of the cursor columns as the exact text MySQL sent, in column order. */
export type Position = readonly string[];

export interface EndRecord {
  status: 'complete' | 'aborted';
  /** Rows in the whole stream before this record. */
  rows: number;
  /** Data bytes in the stream before this record, as the writer counted them. */
  bytes: number;
  run_id: string;
  /** `schema.table`, or the name given to a query. */
  table: string;
  cursor_columns: readonly string[];
  /** Where reading began, exclusive; null = from the start. */
  from: Position | null;
  /** The last row in the stream, inclusive; equal to `from` when there was none. */
  to: Position | null;
  /** Exit status of the program that wrote the record; 0 when complete. */
  code: number;
  /** How the rows were read: a stream without rows has no other place to say it. */
  read?: 'incremental' | 'backfill' | 'snapshot';
  /** Upper bound of the read (exclusive) as MySQL text, and the rule that set it; null = none. */
  until?: { value: string; rule: string } | null;
  /** A limit ended the read, so there may be more rows: a backfill goes on, and a snapshot is none. */
  limited?: true;
}

/** The key that marks a control line among NDJSON rows. */
export const CONTROL_KEY = '_tablepipe';

/** The NDJSON form, with its newline. */
export function endLine(record: EndRecord): string {
  return `${JSON.stringify({ [CONTROL_KEY]: { end: record } })}\n`;
}

const CONTROL_START = `{"${CONTROL_KEY}":`;

/** The end record in an NDJSON line, or undefined when the line is a row. A damaged control line is 65. */
export function endRecordOfLine(line: string): EndRecord | undefined {
  if (!line.startsWith(CONTROL_START)) return undefined;
  let parsed: { [CONTROL_KEY]?: { end?: unknown } };
  try {
    parsed = JSON.parse(line) as typeof parsed;
  } catch (cause) {
    throw new Failure('data', 'the end record is not valid JSON', { cause });
  }
  return checkedEndRecord(parsed[CONTROL_KEY]?.end);
}

/** Checks the shape of an end record that came from outside. */
export function checkedEndRecord(value: unknown): EndRecord {
  const record = value as Partial<EndRecord> | null | undefined;
  const shaped =
    record !== null &&
    typeof record === 'object' &&
    (record.status === 'complete' || record.status === 'aborted') &&
    Number.isSafeInteger(record.rows) &&
    Number.isSafeInteger(record.bytes) &&
    Number.isSafeInteger(record.code) &&
    typeof record.run_id === 'string' &&
    typeof record.table === 'string' &&
    Array.isArray(record.cursor_columns) &&
    isPosition(record.from) &&
    isPosition(record.to);
  if (!shaped) throw new Failure('data', 'the end record does not have the expected fields');
  return record as EndRecord;
}

/** True for null and for a list of texts. */
export function isPosition(value: unknown): value is Position | null {
  return value === null || (Array.isArray(value) && value.every((part) => typeof part === 'string'));
}

/**
 * Accepts an end record or throws: an aborted stream gives its writer's status, a different row count 65.
 * @param rows rows the reader counted itself
 */
export function demandComplete(record: EndRecord, rows: number): void {
  if (record.status === 'aborted') throw upstreamFailure(record.code, rows);
  if (record.rows !== rows) {
    throw new Failure('data', `${rows} rows arrived but the end record counts ${record.rows}`, {
      hint: 'The stream was altered on its way.',
    });
  }
}

/** The failure for a stream that ended before its end record. */
export function cutShort(what: string, rows: number): Failure {
  return new Failure('truncated', `the ${what} ended before its end record, after ${rows} rows`, {
    hint: 'The program that wrote it was killed or lost its connection.',
  });
}
