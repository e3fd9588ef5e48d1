/** PostgreSQL as the warehouse of a load. Everything of a batch, the table's own changes too, is in one transaction. */
import type { Client } from 'pg';
import type { TextPolicy } from '../codec/postgres-cell.js';
import { canonicalType, conversion } from '../column/postgres-fit.js';
import type { SourceColumn } from '../column/source-column.js';
import { toPostgres } from '../column/to-postgres.js';
import type { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { sqlState, warehouseFailure } from '../warehouse-failure.js';
import { POSTGRES_BACKEND } from './backend.js';
import { LEDGER_COLUMNS } from './ledger.js';
import { POSTGRES_NAMES, type Table, quoted, quotedTable } from './name.js';
import { describePostgres, hasPostgresSchema } from './postgres-catalogue.js';
import { createPostgresTable } from './postgres-ddl.js';
import { namedRefusal } from './postgres-refusal.js';
import { PostgresStaging } from './postgres-staging.js';
import { postgresMerge } from './postgres-merge.js';
import { openSession } from './session.js';
import type {
  OpenFile,
  Placement,
  PlannedColumn,
  Session,
  Staged,
  TargetColumn,
  TablePlan,
  Warehouse,
} from './warehouse.js';

export interface PostgresOptions {
  /** Opens a connection. */
  connect: () => Promise<Client>;
  signal: AbortSignal;
  /** How long a statement waits for a lock, in milliseconds. */
  lockMs: number;
  /** How long nothing need come before the server is asked what it does, in milliseconds. */
  idleMs: number;
  nul: TextPolicy;
  showValues: boolean;
}

/** For each session: waits are bounded, times are UTC, and a client that stopped does not hold its locks for ever. */
const SETTINGS = [
  "SET TimeZone = 'UTC'",
  "SET DateStyle = 'ISO'",
  'SET idle_in_transaction_session_timeout = 600000',
  // Enough to find out without a file whether a key occurs twice in a batch.
  "SET work_mem = '64MB'",
] as const;

/** Since version 14 a server working on a long statement notices that its client is gone. */
const NOTICE_GONE = "SELECT set_config('client_connection_check_interval', '5s', false)";

export class Postgres implements Warehouse {
  readonly dialect = 'postgres';
  readonly names = POSTGRES_NAMES;
  readonly enforcesKeys = true;
  readonly readersWait = false;
  readonly now = 'now()';

  private readonly staging: PostgresStaging;

  constructor(private readonly options: PostgresOptions) {
    const { nul, signal } = options;
    this.staging = new PostgresStaging({ nul, signal, failure: (error, doing) => this.failure(error, doing) });
  }

  async open(): Promise<Session> {
    const { connect, signal, lockMs, idleMs } = this.options;
    const session = await openSession({ connect, words: POSTGRES_BACKEND, idleMs, signal });
    try {
      await session.write([...SETTINGS, `SET lock_timeout = ${lockMs}`].join('; '));
      await session.read(NOTICE_GONE).catch(() => {});
      return session;
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  ledgerDdl(ledger: Table): readonly string[] {
    const columns = LEDGER_COLUMNS.map(([name, type]) => `${quoted(name)} ${type}`);
    return [
      `CREATE TABLE IF NOT EXISTS ${quotedTable(ledger)} (${columns.join(', ')}, PRIMARY KEY (target, url, batch))`,
    ];
  }

  /** Excludes itself and every writer; a person may read the ledger meanwhile. */
  lockLedger(ledger: Table): readonly string[] {
    return [`LOCK TABLE ${quotedTable(ledger)} IN SHARE ROW EXCLUSIVE MODE`];
  }

  hasSchema(session: Session, schema: string): Promise<boolean> {
    return hasPostgresSchema(session, schema);
  }

  describe(session: Session, table: Table): ReturnType<Warehouse['describe']> {
    return describePostgres(session, table);
  }

  place(source: SourceColumn, target: string | undefined, cast: string | boolean): Placement {
    const natural = toPostgres(source);
    const type = target ?? (typeof cast === 'string' ? cast : natural.type);
    return { type: canonicalType(type), ...conversion(natural, type) };
  }

  createTable(plan: Omit<TablePlan, 'ddl'>): string {
    return createPostgresTable(plan);
  }

  widen(table: Table, column: PlannedColumn, target: TargetColumn): readonly string[] {
    const alter = `ALTER TABLE ${quotedTable(table)} ALTER COLUMN ${quoted(target.name)}`;
    const natural = canonicalType(toPostgres(column.source).type);
    const statements: string[] = [];
    const back = conversion({ type: canonicalType(target.type), staging: canonicalType(target.type) }, natural);
    if (column.fit === 'checked' && back.fit === 'lossless') statements.push(`${alter} TYPE ${natural}`);
    if (column.source.nullable && !target.nullable) statements.push(`${alter} DROP NOT NULL`);
    return statements;
  }

  direct(session: Session, plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): Promise<Staged | undefined> {
    return this.staging.direct(session, plan, receipts, open);
  }

  stage(session: Session, plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): Promise<Staged> {
    return this.staging.stage(session, plan, receipts, open);
  }

  async merge(session: Session, plan: TablePlan, staged: Staged): Promise<number> {
    try {
      return await postgresMerge(session, plan, staged);
    } catch (error) {
      const failure = this.failure(error, `loading ${quotedTable(plan.target)}`);
      const { receipts = [], open = () => Promise.reject(failure) } = staged.origin ?? {};
      if (failure.kind !== 'data') throw error;
      throw await namedRefusal(error, failure, { plan, receipts, open, signal: this.options.signal });
    }
  }

  /** Serialization failures and deadlocks. A lock that was not given in time is for the next run. */
  retryable(error: unknown): boolean {
    const state = sqlState(error);
    return state === '40001' || state === '40P01';
  }

  failure(error: unknown, doing: string): Failure {
    return warehouseFailure(error, doing, this.options.showValues);
  }
}
