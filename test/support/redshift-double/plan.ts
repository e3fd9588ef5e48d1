/** A statement after its grammar was accepted: what to do, against whatever runs it. */
import type { WireField } from './wire.js';

export interface Outcome {
  tag: string;
  fields?: WireField[];
  rows?: (string | null)[][];
}

export interface Result {
  fields: WireField[];
  rows: (string | null)[][];
  count: number;
  tag: string;
}

/** What a plan may use of its session. */
export interface Executor {
  /** `I` idle, `T` in a transaction, `E` in a failed one. */
  status(): string;
  /** One statement on the session's own connection; errors arrive in Redshift's words. */
  query(sql: string, values?: readonly unknown[]): Promise<Result>;
  /** One statement outside every transaction: what it writes survives a rollback. */
  history(sql: string, values?: readonly unknown[]): Promise<Result>;
  /** Streams COPY text into the server behind. */
  copyIn(sql: string, chunks: AsyncIterable<Buffer>): Promise<void>;
  /** Runs the body in the open transaction, or in one of its own. */
  atomic<T>(body: () => Promise<T>): Promise<T>;
  /** Commits what is open, as TRUNCATE does. */
  commit(): Promise<void>;
  notice(text: string): void;
}

export interface Plan {
  /** For the log and for faults: `copy`, `insert`, `commit`… */
  verb: string;
  /** Statements that can lose against another transaction. */
  writes: boolean;
  run(executor: Executor, values: readonly unknown[]): Promise<Outcome>;
}

/** A plan of one statement that is passed on as rewritten, answering with the backing server's tag. */
export function passed(verb: string, sql: string, writes = false): Plan {
  return {
    verb,
    writes,
    async run(executor, values) {
      const result = await executor.query(sql, values);
      return result.fields.length > 0
        ? { tag: result.tag, fields: result.fields, rows: result.rows }
        : { tag: result.tag };
    },
  };
}

/** A plan that only answers with a tag. */
export function acknowledged(verb: string, tag: string): Plan {
  return { verb, writes: false, run: () => Promise.resolve({ tag }) };
}

/** A write: takes Redshift's table-level write lock first, which readers do not wait for (rule 58). */
export function write(verb: string, table: string, sql: string): Plan {
  return {
    verb,
    writes: true,
    run: (executor, values) =>
      executor.atomic(async () => {
        await writeLock(executor, table);
        const result = await executor.query(sql, values);
        return { tag: result.tag };
      }),
  };
}

export async function writeLock(executor: Executor, table: string): Promise<void> {
  await executor.query(`LOCK TABLE ${table} IN SHARE ROW EXCLUSIVE MODE`);
}
