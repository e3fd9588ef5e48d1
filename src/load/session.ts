/** Sessions over one connection of the wire client: one that runs statements, and one that prints what would change. */
import type { Client } from 'pg';
import { postgresCopy } from '../sink/postgres-copy.js';
import { Backend, type BackendWords } from './backend.js';
import { Silence, type Traffic } from './silence.js';
import type { Session } from './warehouse.js';

interface Socket extends Traffic {
  destroy(error?: Error): unknown;
  readonly writableLength?: number;
}

export interface SessionOptions {
  /** Opens a connection: the session's own, and one for each question about it. */
  connect: () => Promise<Client>;
  words: BackendWords;
  /** Milliseconds without a byte after which the server is asked what it does. */
  idleMs: number;
  signal: AbortSignal;
}

/** Milliseconds a server has for saying goodbye. */
const GOODBYE_MS = 2_000;

/** Opens a session whose silence is watched. */
export async function openSession({ connect, words, idleMs, signal }: SessionOptions): Promise<Session> {
  const client = await connect();
  const backend = new Backend(words, connect);
  const session = new ClientSession(client, signal, new Silence(backend, idleMs));
  try {
    await session.watched(() => backend.recognise(client));
    return session;
  } catch (error) {
    await session.end();
    throw error;
  }
}

/** Runs everything. The signal cuts the connection, so that a statement the server still works on does not hold us. */
class ClientSession implements Session {
  readonly dry = false;
  private lost = false;
  private readonly cut = (): void => void this.socket()?.destroy(this.signal.reason as Error);

  constructor(
    private readonly client: Client,
    private readonly signal: AbortSignal,
    private readonly silence: Silence,
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
    const reading = { now: false };
    // While the next chunk is being read and none is left to send, the silence is ours.
    const ours = (): boolean => reading.now && (this.socket()?.writableLength ?? 0) === 0;
    return this.watched(() => postgresCopy(this.client, sql, noted(chunks, reading), this.signal), ours);
  }

  /** Runs a statement, and cuts the connection when it is found dead. */
  async watched<T>(statement: () => Promise<T>, ours = (): boolean => false): Promise<T> {
    this.signal.throwIfAborted();
    const socket = this.socket();
    const stop = this.silence.watch(socket ?? {}, ours, (failure) => void socket?.destroy(failure));
    try {
      return await statement();
    } finally {
      stop();
    }
  }

  async end(): Promise<void> {
    this.signal.removeEventListener('abort', this.cut);
    if (this.lost) return void this.socket()?.destroy();
    const timer = setTimeout(() => this.socket()?.destroy(), GOODBYE_MS);
    await this.client.end().catch(() => {});
    clearTimeout(timer);
  }

  /** Without values the simple protocol is used: Redshift's COPY wants that one. */
  private query(sql: string, values: readonly unknown[]): Promise<{ rows: unknown[]; rowCount: number | null }> {
    return this.watched(() => (values.length === 0 ? this.client.query(sql) : this.client.query(sql, [...values])));
  }

  /** The types of the client leave it out, and a statement under way can be ended in no other way. */
  private socket(): Socket | undefined {
    return (this.client as unknown as { connection?: { stream?: Socket } }).connection?.stream;
  }
}

/** The chunks, with a note of whether the next one is being waited for. */
async function* noted(chunks: AsyncIterable<Uint8Array>, reading: { now: boolean }): AsyncGenerator<Uint8Array> {
  reading.now = true;
  for await (const chunk of chunks) {
    reading.now = false;
    yield chunk;
    reading.now = true;
  }
  reading.now = false;
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
