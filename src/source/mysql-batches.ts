/** The result of one MySQL query as Arrow batches, pulled: the socket is read only while somebody wants batches. */
import type { Connection } from 'mysql2';
import type { ResultField } from '../column/mysql-column.js';
import { Failure } from '../errors.js';
import { isPassing } from '../mysql-failure.js';
import type { PacketRows } from './mysql-packets.js';
import { type Flow, queryClass, rawConnection, readPackets, readRows } from './mysql-result.js';
import { MysqlRows, type RowBatch, type RowShape } from './mysql-rows.js';

export interface BatchQuery extends Omit<RowShape, 'names'> {
  sql: string;
  values: readonly unknown[];
  /** Milliseconds without a byte from the server, while we wait for one, after which the connection counts as dead. */
  idleMs?: number;
  /** Looks at the result's columns before the first row; what it throws ends the read. */
  onFields?: (fields: readonly ResultField[]) => void;
  /** Column buffers that a reader of several results with the same columns keeps between them. */
  kept?: KeptRows;
  /** Reads through the documented row API, which is also what happens when mysql2 does not look as expected. */
  publicApi?: boolean;
}

/** What one result leaves to the next: memory that need not be made and thrown away for every page. */
export interface KeptRows {
  rows?: MysqlRows | undefined;
}

/**
 * Runs one statement on a connection that has nothing else to do and yields its rows in order. The connection can be
 * used again after the last batch. When the caller stops early, on abort and on every error the socket is destroyed,
 * since mysql2 would otherwise read the rest of the result; ending the query on the server (KILL QUERY) is the
 * caller's. Throws what the server sent, what ended the connection, or a Failure of its own; never ends early in silence.
 *
 * Memory: the batch being filled, one that waits, the one the caller holds, and one socket chunk.
 */
export async function* queryBatches(
  connection: Connection,
  query: BatchQuery,
  signal: AbortSignal,
): AsyncGenerator<RowBatch> {
  signal.throwIfAborted();
  const result = new Result(connection, query, signal);
  try {
    for (;;) {
      const batch = await result.next();
      if (!batch) return;
      yield batch;
    }
  } finally {
    result.close();
  }
}

class Result {
  private readonly flow: Flow;
  private rows: MysqlRows | undefined;
  private readonly ready: RowBatch[] = [];
  private paused = false;
  private ended = false;
  private error: unknown;
  private wake: () => void = () => {};
  private readonly watches: (() => void)[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly query: BatchQuery,
    signal: AbortSignal,
  ) {
    this.watch(signal);
    const { sql, values } = query;
    const formatted = connection.format(sql, [...values]);
    const Query = query.publicApi ? undefined : queryClass(connection);
    const reader = {
      fields: (fields: readonly ResultField[]): void => this.open(fields),
      rows: (rows: PacketRows): void => this.add(rows),
      end: (error?: Error): void => this.end(error),
    };
    this.flow = Query ? readPackets(connection, Query, formatted, reader) : readRows(connection, formatted, reader);
  }

  /** The next batch, or undefined after the last one. */
  async next(): Promise<RowBatch | undefined> {
    for (;;) {
      const batch = this.ready.shift();
      if (batch) return batch;
      if (this.ended) {
        if (this.error !== undefined) throw this.error;
        return undefined;
      }
      // Resuming may deliver rows at once, so the waiting begins first.
      const woken = new Promise<void>((resolve) => (this.wake = resolve));
      if (this.paused) {
        this.paused = false;
        this.flow.resume();
      }
      await woken;
    }
  }

  close(): void {
    for (const stop of this.watches) stop();
    const { stream } = rawConnection(this.connection);
    if (!this.ended || this.error !== undefined) stream.destroy();
    else if (this.paused) this.flow.resume();
    this.ended = true;
  }

  private open(fields: readonly ResultField[]): void {
    const { plans, table, onFields, kept } = this.query;
    const names = fields.map((field) => field.name);
    const other = plans.findIndex((plan, index) => plan.name !== names[index]);
    if (other >= 0 || this.rows) {
      throw new Failure('data', `${table}: the result has other columns than planned, from column ${other + 1} on`, {
        hint: 'The table was altered while it was read.',
      });
    }
    onFields?.(fields);
    const rows = kept?.rows?.fits(names) ? kept.rows : new MysqlRows({ ...this.query, names });
    // Taken out while it is being filled: rows of a result that fails must not reach the next one.
    if (kept) kept.rows = undefined;
    this.rows = rows;
  }

  private add(packets: PacketRows): void {
    const { rows } = this;
    for (let done = 0; rows && !this.ended; ) {
      done += rows.add(packets, done);
      if (done === packets.count) return;
      this.flush(rows);
    }
  }

  private flush(rows: MysqlRows): void {
    const batch = rows.take();
    if (!batch) return;
    this.ready.push(batch);
    if (!this.paused) {
      this.paused = true;
      this.flow.pause();
    }
    this.wake();
  }

  private end(error?: unknown): void {
    if (this.ended) return;
    this.error = error;
    try {
      // What came whole before a connection was lost is handed out, where reading can go on after it: over a connection
      // that never lives as long as a batch takes, nothing would ever come.
      const goesOn = this.query.position.length > 0 && isPassing(error);
      if (this.rows && (error === undefined || goesOn)) {
        this.flush(this.rows);
        if (this.query.kept && error === undefined) this.query.kept.rows = this.rows;
      } else if (error === undefined)
        this.error = new Failure('usage', `${this.query.table}: the statement returns no rows`);
    } catch (failure) {
      this.error = failure;
    }
    this.ended = true;
    this.wake();
  }

  private watch(signal: AbortSignal): void {
    const { connection } = this;
    const { stream } = rawConnection(connection);
    const aborted = (): void => {
      this.end(signal.reason);
      stream.destroy();
    };
    // mysql2 says nothing at all when its own side closed the connection.
    const closed = (): void => this.end(lost('the connection was closed in the middle of a result'));
    const shuffled = (warning: Error): void => {
      this.end(new Failure('protocol', `reading ${this.query.table}`, { cause: warning }));
      stream.destroy();
    };
    signal.addEventListener('abort', aborted, { once: true });
    stream.on('close', closed);
    connection.on('warn', shuffled);
    this.watches.push(() => {
      signal.removeEventListener('abort', aborted);
      stream.off('close', closed);
      connection.off('warn', shuffled);
    });
    if (this.query.idleMs !== undefined) this.watchIdle(this.query.idleMs);
  }

  private watchIdle(idleMs: number): void {
    const { stream } = rawConnection(this.connection);
    const bytesRead = (): number => (stream as unknown as { bytesRead?: number }).bytesRead ?? 0;
    let seen = bytesRead();
    let since = performance.now();
    const timer = setInterval(
      () => {
        if (bytesRead() !== seen || this.paused) {
          seen = bytesRead();
          since = performance.now();
        } else if (performance.now() - since >= idleMs) {
          this.end(lost(`nothing came from the server for ${idleMs} ms`, 'ETIMEDOUT'));
          stream.destroy();
        }
      },
      Math.max(1, idleMs / 4),
    );
    this.watches.push(() => clearInterval(timer));
  }
}

/** Shaped like mysql2's own errors, so that callers tell a lost connection from an answer of the server. */
function lost(message: string, code = 'PROTOCOL_CONNECTION_LOST'): Error {
  return Object.assign(new Error(message), { code, fatal: true });
}
