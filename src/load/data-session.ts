/**
 * A session over the Redshift Data API. Each statement is started, asked for until it has ended, and its rows are
 * fetched; all of them run in one database session, so temporary tables and a transaction live from call to call.
 * Values are in the text already: redshiftSession() writes them there.
 *
 * That an open transaction does live on is not written down anywhere, so it is checked each time: within one
 * transaction SYSDATE stands still (reference/redshift.md 4.8).
 */
import { randomUUID } from 'node:crypto';
import type { DataApi, DataField } from '../data-api.js';
import { Failure } from '../errors.js';
import { pause } from '../retry.js';
import type { Session } from './warehouse.js';

/** Longest statement the Data API takes, in bytes. */
const STATEMENT_BYTES = 100_000;
/** First and longest wait between two questions, in milliseconds. */
const FIRST_MS = 50;
const LONGEST_MS = 2_000;

export class DataSession implements Session {
  readonly dry = false;
  alive = true;
  private id: string | undefined;

  constructor(
    private readonly api: DataApi,
    private readonly signal: AbortSignal,
  ) {}

  async read<Row extends object>(sql: string): Promise<Row[]> {
    const statement = await this.run(sql);
    const rows: Row[] = [];
    let page: string | undefined;
    do {
      const { names, records, next } = await this.api.result(statement.id, page);
      for (const record of records) rows.push(rowOf<Row>(names, record));
      page = next;
    } while (page !== undefined);
    return rows;
  }

  async write(sql: string): Promise<number> {
    const { rows } = await this.run(sql);
    if (sql === 'BEGIN') await this.demandTransaction();
    return Math.max(rows, 0);
  }

  copyIn(): Promise<number> {
    return Promise.reject(new Failure('internal', 'COPY FROM STDIN does not exist on Redshift'));
  }

  /** There is no call to close a session: it ends by itself. What is open is rolled back by the caller. */
  async end(): Promise<void> {
    this.alive = false;
  }

  private async run(sql: string): Promise<{ id: string; rows: number }> {
    this.signal.throwIfAborted();
    if (Buffer.byteLength(sql) > STATEMENT_BYTES) {
      throw new Failure('config', `a statement has more than the ${STATEMENT_BYTES} bytes the Data API takes`, {
        hint: 'Load fewer files per transaction: --max-files 100.',
      });
    }
    const { id, session } = await this.api.execute(sql, this.id, randomUUID());
    this.id = session;
    try {
      for (let waitMs = FIRST_MS; ; waitMs = Math.min(LONGEST_MS, waitMs * 1.5)) {
        const { status, error, rows } = await this.api.describe(id);
        if (status === 'FINISHED') return { id, rows };
        if (status === 'FAILED' || status === 'ABORTED') throw serverError(error ?? `the statement was ${status}`);
        await pause(waitMs, this.signal);
      }
    } catch (error) {
      if (this.signal.aborted) await this.api.cancel(id);
      throw error;
    }
  }

  private async demandTransaction(): Promise<void> {
    const ask = async (): Promise<string> => {
      const [row] = await this.read<{ moment: string }>('SELECT SYSDATE AS moment');
      return String(row?.moment);
    };
    if ((await ask()) === (await ask())) return;
    throw new Failure('config', 'this Data API ends a transaction after each statement', {
      hint: 'Load through a connection (--via connection): exactly-once loading needs one transaction.',
    });
  }
}

function rowOf<Row extends object>(names: readonly string[], record: readonly DataField[]): Row {
  const values = record.map(({ isNull, booleanValue, longValue, doubleValue, stringValue }) =>
    isNull === true ? null : (stringValue ?? longValue ?? doubleValue ?? booleanValue ?? null),
  );
  return Object.fromEntries(names.map((name, index) => [name, values[index]])) as Row;
}

/** The Data API gives the server's report as one text: message, detail, and a SQLSTATE only now and then. */
function serverError(text: string): Error {
  const [, message = text, detail = ''] =
    /^(?:ERROR: +)?([^]*?)(?:\n? +(?:Detail|DETAIL): *([^]*))?$/.exec(text.trim()) ?? [];
  const state = /SQLSTATE[: ]+([0-9A-Z]{5})/.exec(text)?.[1] ?? guessedState(message);
  return Object.assign(new Error(message.trim()), { code: state, detail });
}

const STATES: readonly (readonly [RegExp, string])[] = [
  [/relation .* does not exist/i, '42P01'],
  [/schema .* does not exist/i, '3F000'],
  [/column .* does not exist/i, '42703'],
  [/permission denied/i, '42501'],
  [/already exists/i, '42P07'],
  [/value too long/i, '22001'],
  [/deadlock/i, '40P01'],
  [/syntax error/i, '42601'],
];

function guessedState(message: string): string {
  return STATES.find(([pattern]) => pattern.test(message))?.[1] ?? 'XX000';
}
