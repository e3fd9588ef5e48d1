/** The session's own connection to the server behind: runs rewritten SQL, words its errors and types as Redshift does. */
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { nullViolation } from './error-envelope.js';
import { shownName } from './identifier.js';
import type { Executor, Result } from './plan.js';
import { Cut, SqlError, unverified } from './sql-error.js';
import { beginSql, type Isolation } from './transaction.js';

/** OIDs a driver of Redshift expects (reference/redshift.md 4.10): SUPER, VARBYTE, and no `text` or `name`. */
const OIDS: Readonly<Record<number, number>> = { 3802: 4000, 17: 6551, 25: 1043, 19: 1043 };
const AS_TEXT = { getTypeParser: () => (value: unknown) => value };

interface Connection {
  on(event: 'readyForQuery', listener: (message: { status: string }) => void): void;
}

export class Backing implements Executor {
  readonly client: pg.Client;
  readonly notices: string[] = [];
  readonly #historyClient: pg.Client;
  readonly #isolation: Isolation;
  readonly #pid: number;
  #status = 'I';

  constructor(client: pg.Client, historyClient: pg.Client, isolation: Isolation, pid: number) {
    this.client = client;
    this.#historyClient = historyClient;
    this.#isolation = isolation;
    this.#pid = pid;
    const { connection } = client as unknown as { connection: Connection };
    connection.on('readyForQuery', ({ status }) => (this.#status = status));
  }

  status(): string {
    return this.#status;
  }

  get process(): number {
    return (this.client as unknown as { processID: number }).processID;
  }

  query(sql: string, values: readonly unknown[] = []): Promise<Result> {
    return this.#ask(this.client, sql, values);
  }

  history(sql: string, values: readonly unknown[] = []): Promise<Result> {
    return inTurn(this.#historyClient, (client) => this.#ask(client, sql, values));
  }

  async copyIn(sql: string, chunks: AsyncIterable<Buffer>): Promise<void> {
    try {
      await pipeline(chunks, this.client.query(copyFrom(sql)));
    } catch (error) {
      throw this.#worded(error);
    }
  }

  async atomic<T>(body: () => Promise<T>): Promise<T> {
    if (this.#status !== 'I') return body();
    await this.query(beginSql(this.#isolation));
    try {
      const result = await body();
      await this.query('COMMIT');
      return result;
    } catch (error) {
      await this.client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async commit(): Promise<void> {
    if (this.#status === 'T') await this.query('COMMIT');
  }

  notice(text: string): void {
    this.notices.push(text);
  }

  /** Fails the open transaction, as an error of Redshift's own would have. */
  async poison(): Promise<void> {
    if (this.#status === 'T') await this.client.query('SELECT 1/0').catch(() => undefined);
  }

  /** Ends what the session runs although its client has gone. */
  async terminate(): Promise<void> {
    await inTurn(this.#historyClient, (client) => client.query('SELECT pg_terminate_backend($1)', [this.process]));
  }

  async cancel(): Promise<void> {
    await inTurn(this.#historyClient, (client) => client.query('SELECT pg_cancel_backend($1)', [this.process]));
  }

  async #ask(client: pg.Client, text: string, values: readonly unknown[]): Promise<Result> {
    try {
      const result = await client.query<(string | null)[]>({
        text,
        values: [...values],
        rowMode: 'array',
        types: AS_TEXT,
      });
      return shaped(result);
    } catch (error) {
      throw this.#worded(error);
    }
  }

  /** Redshift's words for what PostgreSQL reports, where they are known to differ. */
  #worded(error: unknown): unknown {
    if (isLoss(error)) return new Cut();
    if (!(error instanceof pg.DatabaseError)) return error;
    const { code = 'XX000', message, constraint = '', column = '' } = error;
    if (code === '40001') return violation(this.#pid);
    if (code === '23502') return nullViolation(shownName(column), 0, this.#pid);
    if (code === '23514') return limit(constraint);
    if (code === '22003') return overflow(message);
    if (code === '21000' && message.startsWith('MERGE'))
      return new SqlError('XX000', 'Found multiple matches to update the same tuple.');
    if (code === '428C9') return new SqlError('0A000', 'cannot set an identity column to a value');
    return new SqlError(code, message);
  }
}

const turns = new WeakMap<pg.Client, Promise<unknown>>();

/** One statement after the other: all sessions of a database share the connection. */
function inTurn<T>(client: pg.Client, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const result = (turns.get(client) ?? Promise.resolve()).then(() => ask(client));
  turns.set(
    client,
    result.catch(() => undefined),
  );
  return result;
}

/** The server behind has gone or has ended the session. What the client sees is a cluster that restarts: a dead connection. */
function isLoss(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return error.severity === 'FATAL';
  return LOSSES.test(String((error as Error).message));
}

/** How pg tells of it, during a statement and before the next one. */
const LOSSES =
  /^(Connection terminated|Client (was closed|has encountered a connection error)|(read|write) E(CONNRESET|PIPE))/;

let cycles = 1000;

/** Redshift's serialization failure: the message is the bare number (reference/redshift.md 4.5). */
export function violation(pid: number): SqlError {
  cycles += 2;
  const cycle = `transactions forming the cycle are: ${cycles}, ${cycles + 1} (pid:${pid})`;
  return new SqlError('XX000', '1023', { detail: `Serializable isolation violation on table - 100200, ${cycle}` });
}

/** A CHECK the double put beside a column's type was broken. */
function limit(constraint: string): SqlError {
  const [, kind, length] = /^rsd_(vc|vb|ch|d)(\d+)_/.exec(constraint) ?? [];
  if (kind === 'vc') return new SqlError('22001', `value too long for type character varying(${length})`);
  if (kind === 'd') return new SqlError('XX000', 'Numeric data overflow');
  if (kind === 'vb') return unverified(`a value longer than VARBYTE(${length}) fails; its text is not recorded`);
  return unverified('a multi-byte character in a CHAR column fails; its text on INSERT is not recorded');
}

function overflow(message: string): SqlError {
  if (message.startsWith('numeric')) return new SqlError('XX000', 'Numeric data overflow');
  return unverified(`${message} (that it fails is certain, the text is not recorded)`);
}

function shaped(result: pg.QueryArrayResult<(string | null)[]>): Result {
  const { command, fields, rows } = result;
  const count = result.rowCount ?? 0;
  const bytes = fields.map((field) => field.dataTypeID === 17);
  const json = fields.map((field) => field.dataTypeID === 3802);
  const shown = rows.map((row) =>
    row.map((value, i) => {
      if (value === null) return null;
      if (bytes[i] === true) return value.replace(/^\\x/, '');
      return json[i] === true ? compact(value) : value;
    }),
  );
  const wire = fields.map((field) => ({
    name: shownName(field.name),
    oid: OIDS[field.dataTypeID] ?? field.dataTypeID,
    size: field.dataTypeSize,
    modifier: field.dataTypeModifier,
  }));
  return { fields: wire, rows: shown, count, tag: tagOf(command, count) };
}

/** SELECT has no count in PostgreSQL 8's protocol. */
function tagOf(command: string, count: number): string {
  if (command === 'INSERT') return `INSERT 0 ${count}`;
  return command === 'UPDATE' || command === 'DELETE' ? `${command} ${count}` : command;
}

/** SUPER arrives without the blanks jsonb prints. */
function compact(json: string): string {
  return json.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, text: string | undefined) => text ?? '');
}
