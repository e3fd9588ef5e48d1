/** What the double was asked, without a single literal: secrets and row values never get here (rule 64). */
import type { Token } from './token.js';

export interface LogEntry {
  session: number;
  /** What pg_backend_pid() says in the session. */
  process: number;
  began: Date;
  ended?: Date;
  verb: string;
  /** The statement with every literal replaced; only the S3 location of a COPY is kept. */
  text: string;
  /** `ok`, or the SQLSTATE of the answer, or `cut`. */
  outcome: string;
}

/** Keeps the last 10,000 entries. */
export class StatementLog {
  readonly entries: LogEntry[] = [];

  add(entry: LogEntry): void {
    this.entries.push(entry);
    if (this.entries.length > 10_000) this.entries.shift();
  }
}

export function masked(tokens: readonly Token[]): string {
  const words = tokens.map((token, i) => {
    if (token.kind !== 'string') return token.kind === 'number' ? '0' : token.text;
    const before = tokens[i - 1];
    const isLocation = before?.kind === 'word' && before.word === 'from' && /^s3:\/\/[^@:]*$/.test(token.value);
    return isLocation ? token.text : "'***'";
  });
  return words.join(' ').trim();
}
