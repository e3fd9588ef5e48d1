/**
 * The block of lines Redshift puts into the DETAIL of a failed scan (reference/redshift.md 1.8, rule 35).
 *
 * `context` is cut at 256 characters, as in both field samples: a loader that needs the column or the whole
 * text has to look it up in sys_load_error_detail or stl_load_errors.
 */
import { SqlError } from './sql-error.js';

export const CONTEXT_CHARACTERS = 256;

const RULE = '-----------------------------------------------';

/** A failure of the scan layer before it is wrapped for the wire. `context` is the full text. */
export class ScanError extends Error {
  override readonly name = 'ScanError';
  readonly code: number;
  /** The first line the client sees; `Spectrum Scan Error` unless a record shows another. */
  readonly title: string;
  readonly file: string | undefined;
  readonly column: string | undefined;
  readonly columnType: string | undefined;
  /** 1-based row in the file, where the failure has one. */
  readonly line: number | undefined;

  constructor(
    code: number,
    context: string,
    where: { title?: string; file?: string; column?: string; columnType?: string; line?: number } = {},
  ) {
    super(context);
    this.code = code;
    this.title = where.title ?? 'Spectrum Scan Error';
    this.file = where.file;
    this.column = where.column;
    this.columnType = where.columnType;
    this.line = where.line;
  }
}

/** The DETAIL block of one error. */
export function detailBlock(title: string, code: number, context: string, query: number, pid: number): string {
  const spectrum = title.startsWith('Spectrum');
  return [
    '',
    `  ${RULE}`,
    `  error:  ${title}`,
    `  code:      ${code}`,
    `  context:   ${Array.from(context).slice(0, CONTEXT_CHARACTERS).join('')}`,
    `  query:     ${query}`,
    `  location:  ${spectrum ? 'dory_util.cpp:1450' : 'cg_expr_fn_impl.cpp:3350'}`,
    `  process:   ${spectrum ? 'worker_thread' : 'query0_127_0'} [pid=${pid}]`,
    `  ${RULE}`,
    '',
  ].join('\n');
}

/** Wraps a scan failure for the wire: ERROR, XX000, short message, long detail. */
export function envelope(error: ScanError, query: number, pid: number): SqlError {
  return new SqlError('XX000', error.title, {
    detail: detailBlock(error.title, error.code, error.message, query, pid),
  });
}

/** NULL in a NOT NULL column, by COPY or by INSERT: never 23502 (reference/redshift.md 4.6, rule 31). */
export function nullViolation(column: string, query: number, pid: number): SqlError {
  const title = `Cannot insert a NULL value into column ${column}`;
  return new SqlError('XX000', title, { detail: detailBlock(title, 8007, title, query, pid) });
}
