/** An error as the client of the double sees it: SQLSTATE, message, detail, hint. Always severity ERROR. */

export class SqlError extends Error {
  override readonly name = 'SqlError';
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  constructor(code: string, message: string, more: { detail?: string; hint?: string } = {}) {
    super(message);
    this.code = code;
    this.detail = more.detail;
    this.hint = more.hint;
  }
}

/** The connection is to be cut without a word: a fault asked for it, or the server behind has gone. */
export class Cut extends Error {}

/** The answer to everything nobody has confirmed on a real cluster; see README.md, "Three outcomes". */
export function unverified(what: string): SqlError {
  return new SqlError('XX000', `UNVERIFIED: ${what}`);
}

/** PostgreSQL's lineage of parser errors, which Redshift kept. */
export function syntaxError(near: string): SqlError {
  return new SqlError('42601', near === '' ? 'syntax error at end of input' : `syntax error at or near "${near}"`);
}

/** A feature that Amazon lists as absent (reference/redshift.md 4.9); the wording is the double's where none is recorded. */
export function unsupported(message: string, hint?: string): SqlError {
  return new SqlError('0A000', message, hint === undefined ? {} : { hint });
}
