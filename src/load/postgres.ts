/** PostgreSQL as the warehouse of a load. Everything of a batch, the table's own changes too, is in one transaction. */
import type { Client } from 'pg';
import type { TextPolicy } from '../codec/postgres-cell.js';
import { postgresBinary } from '../codec/postgres-binary.js';
import { canonicalType, conversion } from '../column/postgres-fit.js';
import type { SourceColumn } from '../column/source-column.js';
import { binaryForm, toPostgres } from '../column/to-postgres.js';
import type { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { sqlState, warehouseFailure } from '../warehouse-failure.js';
import { POSTGRES_BACKEND } from './backend.js';
import { LEDGER_COLUMNS } from './ledger.js';
import { POSTGRES_NAMES, type Table, quoted, quotedTable } from './name.js';
import { describePostgres, hasPostgresSchema } from './postgres-catalogue.js';
import { namedRefusal } from './postgres-refusal.js';
import { ORDER_COLUMN, postgresMerge } from './postgres-merge.js';
import { openSession } from './session.js';
import { hasVersions } from './versions.js';
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

const STAGING = '_tablepipe_staging';

export class Postgres implements Warehouse {
  readonly dialect = 'postgres';
  readonly names = POSTGRES_NAMES;
  readonly enforcesKeys = true;
  readonly now = 'now()';

  constructor(private readonly options: PostgresOptions) {}

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

  createTable({ target, columns, key, mode, softDelete }: Omit<TablePlan, 'ddl'>): string {
    const lines = columns.map(({ name, type, nullable }) => `  ${quoted(name)} ${type}${nullable ? '' : ' NOT NULL'}`);
    if (softDelete !== null) lines.push(`  ${quoted(softDelete)} timestamptz`);
    // Versions of a row stand side by side in a table that is only appended to.
    if (key.length > 0 && mode !== 'append') lines.push(`  PRIMARY KEY (${key.map(quoted).join(', ')})`);
    return `CREATE TABLE ${quotedTable(target)} (\n${lines.join(',\n')}\n)`;
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

  /**
   * Straight into a table that is made in this transaction, or one that is only appended to, when every column is
   * copied as it is. Its key is built afterwards, which is quicker than row by row; a key that occurs twice undoes it.
   */
  async direct(
    session: Session,
    plan: TablePlan,
    receipts: readonly Receipt[],
    open: OpenFile,
  ): Promise<Staged | undefined> {
    const plain = plan.columns.every(({ type, staging, fit }) => fit === 'same' && canonicalType(staging) === type);
    const fresh = !plan.exists;
    if (session.dry || !plain || !(fresh || (plan.mode === 'append' && plan.ddl.length === 0))) return undefined;
    await session.write('SAVEPOINT tablepipe_direct');
    try {
      if (!plan.exists) await session.write(this.createTable({ ...plan, mode: 'append' }));
      const target = quotedTable(plan.target);
      const names = plan.columns.map(({ name }) => quoted(name)).join(', ');
      const staged = await this.copyAll(
        session,
        plan,
        { table: target, copy: `COPY ${target} (${names}) FROM STDIN WITH (FORMAT binary)`, order: {} },
        receipts,
        open,
      );
      if (!plan.exists && hasVersions(plan)) {
        await session.write(`ALTER TABLE ${target} ADD PRIMARY KEY (${plan.key.map(quoted).join(', ')})`);
      }
      return staged;
    } catch (error) {
      if (sqlState(error) !== '23505' || plan.exists) throw error;
      await session.write('ROLLBACK TO SAVEPOINT tablepipe_direct');
      return undefined;
    }
  }

  async stage(session: Session, plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): Promise<Staged> {
    const versions = hasVersions(plan);
    const table = `pg_temp.${quoted(STAGING)}`;
    const columns = plan.columns.map(({ name, staging }) => `${quoted(name)} ${staging}`);
    if (versions) columns.push(`${quoted(ORDER_COLUMN)} bigint`);
    await session.write(`CREATE TEMPORARY TABLE ${quoted(STAGING)} (${columns.join(', ')})`);
    const names = [...plan.columns.map(({ name }) => name), ...(versions ? [ORDER_COLUMN] : [])].map(quoted);
    const copy = `COPY ${table} (${names.join(', ')}) FROM STDIN WITH (FORMAT binary)`;
    const order = versions ? { order: { next: 0 } } : {};
    return this.copyAll(session, plan, { table, copy, order }, receipts, open);
  }

  private async copyAll(
    session: Session,
    plan: TablePlan,
    { table, copy, order }: { table: string; copy: string; order: { order?: { next: number } } },
    receipts: readonly Receipt[],
    open: OpenFile,
  ): Promise<Staged> {
    const staged = { table, rows: 0, counts: [] as number[], origin: { receipts, open } };
    for (const receipt of receipts) {
      const rows = await this.copyOne(session, plan, copy, receipt, open, order);
      staged.rows += rows;
      staged.counts.push(rows);
      if (session.dry) break;
    }
    return staged;
  }

  private async copyOne(
    session: Session,
    plan: TablePlan,
    copy: string,
    receipt: Receipt,
    open: OpenFile,
    order: { order?: { next: number } },
  ): Promise<number> {
    if (session.dry) return session.copyIn(copy, nothing());
    const file = await open(receipt);
    try {
      const forms = plan.columns.map(({ source, staging }) => ({ name: source.name, form: binaryForm(staging) }));
      const chunks = postgresBinary(file.batches(), forms, { nul: this.options.nul, ...order });
      return await session.copyIn(copy, chunks);
    } catch (error) {
      const searched = { plan, receipts: [receipt], open, signal: this.options.signal };
      throw await namedRefusal(error, this.failure(error, `loading ${receipt.url}`), searched);
    } finally {
      await file.close();
    }
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

async function* nothing(): AsyncGenerator<Uint8Array> {}
