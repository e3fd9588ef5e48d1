/** Sessions over one connection of the wire client: one that runs statements, and one that prints what would change. */
import type { Client } from 'pg';
import { postgresCopy } from '../sink/postgres-copy.js';
import type { Session } from './warehouse.js';

interface Socket {
  destroy(error?: Error): unknown;
}

/** Runs everything. The signal cuts the connection, so that a statement the server still works on does not hold us. */
export class ClientSession implements Session {
  readonly dry = false;
  private lost = false;
  private readonly cut = (): void => void this.socket()?.destroy(this.signal.reason as Error);

  constructor(
    private readonly client: Client,
    private readonly signal: AbortSignal,
  ) {
    client.on('end', () => (this.lost = true));
    client.on('error', () => (this.lost = true));
    signal.addEventListener('abort', this.cut, { once: true });
  }

  get alive(): boolean {
    return !this.lost;
  }

  async read<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.query(sql, values)).rows as Row[];
  }

  async write(sql: string, values: readonly unknown[] = []): Promise<number> {
    return (await this.query(sql, values)).rowCount ?? 0;
  }

  copyIn(sql: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    return postgresCopy(this.client, sql, chunks, this.signal);
  }

  async end(): Promise<void> {
    this.signal.removeEventListener('abort', this.cut);
    if (this.lost) this.socket()?.destroy();
    else await this.client.end().catch(() => {});
  }

  /** Without values the simple protocol is used: Redshift's COPY wants that one. */
  private query(sql: string, values: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }> {
    this.signal.throwIfAborted();
    return values.length === 0 ? this.client.query(sql) : this.client.query(sql, [...values]);
  }

  /** The types of the client leave it out, and a statement under way can be ended in no other way. */
  private socket(): Socket | undefined {
    return (this.client as unknown as { connection?: { stream?: Socket } }).connection?.stream;
  }
}

/** Reads for real; hands every statement that would change something to `print`, and says it affected no row. */
export class DrySession implements Session {
  readonly dry = true;

  constructor(
    private readonly real: Session,
    private readonly print: (statement: string) => Promise<void>,
  ) {}

  get alive(): boolean {
    return this.real.alive;
  }

  read<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    return this.real.read<Row>(sql, values);
  }

  async write(sql: string, values: readonly unknown[] = []): Promise<number> {
    const shown = values.length > 0 ? ` -- ${JSON.stringify(values)}` : '';
    await this.print(`${sql};${shown}`);
    return 0;
  }

  async copyIn(sql: string): Promise<number> {
    await this.print(`${sql};`);
    return 0;
  }

  end(): Promise<void> {
    return this.real.end();
  }
}
