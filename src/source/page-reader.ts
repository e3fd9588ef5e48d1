/** Pages of rows over one connection at a time, and another one when that is lost. */
import type { Schema } from 'apache-arrow';
import type { ColumnPlan } from '../column/from-mysql.js';
import type { ResultField } from '../column/mysql-column.js';
import { Failure } from '../errors.js';
import { isPassing, mysqlFailure } from '../mysql-failure.js';
import type { MysqlSession, Row } from '../mysql-session.js';
import { pause, retry } from '../retry.js';
import { type KeptRows, queryBatches } from './mysql-batches.js';
import type { BatchLimits, RowBatch } from './mysql-rows.js';

export interface Statement {
  sql: string;
  values: readonly string[];
}

export interface PageShape {
  /** `schema.table`, for messages. */
  table: string;
  plans: readonly ColumnPlan[];
  schema: Schema;
  /** Which columns of the result make up the position of a row; empty for a read without order. */
  position: readonly number[];
  /** Which columns name a row in a message. */
  key: readonly number[];
  limits: BatchLimits;
  /** Milliseconds without a byte after which a connection counts as dead. */
  idleMs: number;
}

/** Lends sessions and ends queries; the command owns the server's address. */
export interface Sessions {
  open(signal: AbortSignal): Promise<MysqlSession>;
  /** Ends what a session runs on the server, from another connection; never rejects. */
  kill(session: MysqlSession): Promise<void>;
  /** Told when a connection was lost and another attempt follows. */
  onLost(error: unknown, pauseMs: number): void;
  /** How long to try to get a connection back, in milliseconds. */
  patienceMs: number;
}

/** One connection that reads pages, and gets itself another when it is lost. */
export class PageReader {
  private busy = false;
  private fields: readonly ResultField[] | undefined;
  private readonly kept: KeptRows = {};
  /** The losses in a row since when nothing came, and when the first of them was. */
  private losses = 0;
  private losingSince = 0;

  constructor(
    private readonly sessions: Sessions,
    private session: MysqlSession,
    private readonly shape: PageShape,
    private readonly signal: AbortSignal,
  ) {}

  /** One page to its end, over as many connections as it takes; `next` gives the statement for what is left of it. */
  async *page(next: () => Statement): AsyncGenerator<RowBatch> {
    let handedOut = false;
    for (;;) {
      this.busy = true;
      try {
        for await (const batch of queryBatches(this.session.connection, this.query(next()), this.signal)) {
          handedOut = true;
          this.losses = 0;
          yield batch;
        }
        this.busy = false;
        this.losses = 0;
        return;
      } catch (error) {
        this.signal.throwIfAborted();
        if (!isPassing(error)) throw this.named(error);
        if (handedOut && this.shape.position.length === 0) {
          throw new Failure(
            'temporary',
            `reading ${this.shape.table}: the connection was lost, and a read without order cannot go on`,
            { cause: error },
          );
        }
        await this.reopen(error);
      }
    }
  }

  /** One short question; asked again over a new connection when this one is lost. */
  async ask({ sql, values }: Statement): Promise<Row[]> {
    for (;;) {
      try {
        const rows = await this.session.ask(sql, values);
        this.losses = 0;
        return rows;
      } catch (error) {
        this.signal.throwIfAborted();
        if (!isPassing(error)) throw this.named(error);
        await this.reopen(error);
      }
    }
  }

  /** Rows that share the position a page ends at would be lost between two pages. */
  async demandSole(ties: Statement): Promise<void> {
    const [row] = await this.ask(ties);
    if (Number(row?.n ?? 0) <= 1) return;
    const { table, plans, position } = this.shape;
    const names = position.map((index) => plans[index]?.name ?? '').join(', ');
    throw new Failure('data', `${table} has several rows with the same ${names}, of which some would be lost`, {
      hint: 'Name further columns with --cursor, until they tell every row apart.',
    });
  }

  /** Ends the session, and its query on the server when it still runs one. */
  async close(): Promise<void> {
    if (!this.busy) return this.session.end();
    this.session.cut();
    await this.sessions.kill(this.session);
  }

  private query({ sql, values }: Statement): Parameters<typeof queryBatches>[1] {
    const { kept } = this;
    return { ...this.shape, sql, values, kept, onFields: (fields) => this.demandSameFields(fields) };
  }

  /** Another connection, until for too long none of them has brought anything. */
  private async reopen(error: unknown): Promise<void> {
    const { sessions, signal } = this;
    const now = performance.now();
    if (this.losses === 0) this.losingSince = now;
    this.losses += 1;
    const leftMs = this.losingSince + sessions.patienceMs - now;
    if (leftMs < 0) throw this.fruitless(error);
    const lost = this.session;
    lost.cut();
    this.busy = false;
    sessions.onLost(error, 0);
    // The server may not know yet that we are gone.
    await sessions.kill(lost);
    if (this.losses > 1) await pause(Math.random() * Math.min(5_000, 100 * 2 ** this.losses), signal);
    this.session = await retry(() => sessions.open(signal), {
      budgetMs: leftMs,
      baseMs: 100,
      capMs: 5_000,
      permanent: (cause) => !isPassing(cause),
      onRetry: (cause, _attempt, pauseMs) => sessions.onLost(cause, pauseMs),
      signal,
    });
  }

  private fruitless(cause: unknown): Failure {
    return new Failure(
      'temporary',
      `reading ${this.shape.table}: ${this.losses} connections one after the other were lost before anything came`,
      { cause, hint: 'If the server needs long for its first row, raise --idle-timeout.' },
    );
  }

  /** DDL in the middle of a run: a column of another type than on the first page. */
  private demandSameFields(fields: readonly ResultField[]): void {
    const { table } = this.shape;
    this.fields ??= fields;
    fields.forEach((field, index) => {
      const before = this.fields?.[index];
      if (before && shapeOf(before) === shapeOf(field)) return;
      throw new Failure('data', `${table}: the column ${field.name} was altered while the table was read`, {
        hint: 'Run the same line again; it goes on from the last committed row with the new type.',
      });
    });
  }

  private named(error: unknown): Failure {
    const { table } = this.shape;
    const number = (error as { errno?: number }).errno;
    if (number === 1054 || number === 1146) {
      return new Failure('data', `${table} was altered while it was read`, {
        cause: error,
        hint: 'Run the same line again.',
      });
    }
    return mysqlFailure(error, `reading ${table}`);
  }
}

function shapeOf({ name, columnType, decimals, columnLength, characterSet }: ResultField): string {
  return JSON.stringify([name, columnType, decimals, columnLength, characterSet]);
}
