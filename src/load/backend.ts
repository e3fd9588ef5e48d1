/**
 * The server's side of a session: the process that runs its statements, asked after and ended on connections of their
 * own. Each lives for one question, so that the watched session stays the only one held open.
 */
import type { Client } from 'pg';
import { sqlState } from '../warehouse-failure.js';

/** What the server does for a session; `new` when it has not said who it is, `unreachable` when it cannot be asked. */
export type Doing = 'working' | 'waiting' | 'gone' | 'new' | 'unreachable';

/** How a warehouse tells, in SQL. All of it goes by the simple protocol. */
export interface BackendWords {
  /** Asked in the session: its process, and anything else that tells it from a later one with the same number. */
  identity: string;
  /** Asked elsewhere: one row with `doing`; none = gone. */
  doing(identity: Identity): string;
  /** Asked elsewhere: ends the session, if it is still the same one. */
  end(identity: Identity): string;
  /** The process that greeted us is the one that runs our statements, unless a pooler stands between. */
  greets: boolean;
}

/** Decimal digits only: they are written into statements. */
export type Identity = Readonly<Record<string, string>>;

/** Milliseconds until a question counts as unanswered; connecting has a limit of its own. */
const ANSWER_MS = 10_000;

export class Backend {
  private identity: Identity | undefined;

  constructor(
    private readonly words: BackendWords,
    private readonly connect: () => Promise<Client>,
  ) {}

  /** Asks the session itself; the first statement of it. */
  async recognise(client: Client): Promise<void> {
    const { rows } = await client.query<Record<string, unknown>>(this.words.identity);
    const identity = Object.fromEntries(Object.entries(rows[0] ?? {}).map(([name, value]) => [name, String(value)]));
    const greeted = String((client as unknown as { processID?: number | null }).processID);
    // Behind a pooler the next transaction may run in another process: nothing can be said about ours.
    const pooled = this.words.greets && identity.pid !== greeted;
    this.identity = pooled || Object.values(identity).some((value) => !/^[0-9]+$/.test(value)) ? {} : identity;
  }

  async doing(): Promise<Doing> {
    const { identity } = this;
    if (identity === undefined) return 'new';
    const hidden = identity.pid === undefined;
    try {
      const [row] = await this.ask(hidden ? 'SELECT 1 AS there' : this.words.doing(identity));
      if (hidden) return 'working';
      return row === undefined ? 'gone' : row.doing === 'waiting' ? 'waiting' : 'working';
    } catch (error) {
      // A server that refuses to say is there.
      return sqlState(error) === undefined ? 'unreachable' : 'working';
    }
  }

  /** Releases what the session has locked. Fails silently: without it the server finds out by itself, later. */
  async end(): Promise<void> {
    const { identity } = this;
    if (identity?.pid !== undefined) await this.ask(this.words.end(identity)).catch(() => []);
  }

  private async ask(sql: string): Promise<Record<string, unknown>[]> {
    const client = await this.connect();
    const { stream } = (client as unknown as { connection: { stream: { destroy(error?: Error): unknown } } })
      .connection;
    const timer = setTimeout(() => stream.destroy(new Error('timeout: no answer to a question')), ANSWER_MS);
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end().catch(() => {});
      clearTimeout(timer);
    }
  }
}

/**
 * A process that waits for its client, while we wait for it, has lost what we sent, or we have lost what it sent. The
 * start of the process tells it from a later one of the same number (PostgreSQL manual, "pg_stat_activity").
 */
export const POSTGRES_BACKEND: BackendWords = {
  greets: true,
  identity:
    'SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint AS began FROM pg_stat_activity WHERE pid = pg_backend_pid()',
  doing: (identity) =>
    `SELECT CASE WHEN state LIKE 'idle%' OR wait_event IN ('ClientRead', 'ClientWrite') THEN 'waiting' ELSE 'working' END AS doing FROM pg_stat_activity WHERE ${sameProcess(identity)}`,
  end: (identity) => `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${sameProcess(identity)}`,
};

function sameProcess({ pid, began }: Identity): string {
  return `pid = ${pid} AND (extract(epoch FROM backend_start) * 1000000)::bigint = ${began}`;
}

/**
 * SYS_QUERY_HISTORY shows a user's own statements, running ones too, on clusters and on Serverless; a user may end
 * sessions of their own (Database Developer Guide, "SYS_QUERY_HISTORY", "PG_TERMINATE_BACKEND").
 */
export const REDSHIFT_BACKEND: BackendWords = {
  greets: false,
  identity: 'SELECT pg_backend_pid() AS pid',
  doing: ({ pid }) =>
    `SELECT CASE WHEN count(*) > 0 THEN 'working' ELSE 'waiting' END AS doing FROM sys_query_history WHERE session_id = ${pid} AND status IN ('planning', 'queued', 'running', 'returning')`,
  end: ({ pid }) => `SELECT pg_terminate_backend(${pid})`,
};
