/**
 * Redshift as the warehouse of a load: one COPY of a manifest into a temporary table a batch, then the merge, in one
 * transaction with the ledger. Only VARCHAR widening runs outside of it, because Redshift allows it nowhere else.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { canonicalRedshift, redshiftConversion } from '../column/redshift-fit.js';
import type { SourceColumn } from '../column/source-column.js';
import { toRedshift } from '../column/to-redshift.js';
import { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { demandRegion } from '../sink/bucket-region.js';
import type { Authorization } from '../sink/redshift-authorization.js';
import { manifestText } from '../sink/redshift-manifest.js';
import { LEDGER_COLUMNS } from './ledger.js';
import { REDSHIFT_NAMES, type Table, quoted, quotedTable } from './name.js';
import { describeRedshift, hasRedshiftSchema } from './redshift-catalogue.js';
import { redshiftRefusals } from './redshift-check.js';
import { createRedshiftTable } from './redshift-ddl.js';
import { type FailedLoad, isSerialization, mergeFailure, redshiftFailure } from './redshift-failure.js';
import { redshiftMerge } from './redshift-merge.js';
import { redshiftSession } from './redshift-session.js';
import { RedshiftStaging, objectsWithRows } from './redshift-staging.js';
import type {
  LoadFile,
  OpenFile,
  Placement,
  PlannedColumn,
  Refusal,
  Session,
  Staged,
  TargetColumn,
  TargetTable,
  TablePlan,
  Warehouse,
} from './warehouse.js';

export interface RedshiftOptions {
  /** Opens a session; its statements have no values beside them. */
  connect: () => Promise<Session>;
  s3: () => Promise<S3Client>;
  /** Asked for by each COPY; 78 when there is none. */
  authorization: () => Authorization;
  /** Folder for manifests; undefined: `_tablepipe/manifests/` in the bucket of the data. */
  manifests: string | undefined;
  /** Region of the cluster; undefined when nothing tells it. */
  region: string | undefined;
  signal: AbortSignal;
  /** How long to wait for the lock on the ledger, in milliseconds. */
  lockMs: number;
  showValues: boolean;
}

export class Redshift implements Warehouse {
  readonly dialect = 'redshift';
  readonly names = REDSHIFT_NAMES;
  readonly enforcesKeys = false;
  readonly readersWait = true;
  readonly now = 'GETDATE()';
  /** VARCHAR columns to be widened before the next COPY, by the statement's planned column. */
  private readonly widenings = new WeakMap<SourceColumn, string>();
  /** What a plan was staged from. */
  private readonly loads = new WeakMap<TablePlan, FailedLoad>();
  /** What is known of the regions of buckets. */
  private readonly regions = new Map<string, string | undefined>();

  constructor(private readonly options: RedshiftOptions) {}

  async open(): Promise<Session> {
    const session = redshiftSession(await this.options.connect(), this.options.signal);
    try {
      await session.write("SET timezone TO 'UTC'");
      return session;
    } catch (error) {
      await session.end();
      throw error;
    }
  }

  /** Keys would be believed and not enforced: the lock on the whole table is what keeps the ledger right. */
  ledgerDdl(ledger: Table): readonly string[] {
    const columns = LEDGER_COLUMNS.map(([name, type]) => `${quoted(name)} ${type}`);
    return [`CREATE TABLE IF NOT EXISTS ${quotedTable(ledger)} (${columns.join(', ')}) DISTSTYLE ALL`];
  }

  /**
   * ACCESS EXCLUSIVE, before anything is read: the snapshot is taken after it (reference/redshift.md 4.5). There is no
   * limit on waiting for a lock, only one on a whole statement.
   */
  lockLedger(ledger: Table): readonly string[] {
    const { lockMs } = this.options;
    return [`SET statement_timeout TO ${lockMs}`, `LOCK TABLE ${quotedTable(ledger)}`, 'SET statement_timeout TO 0'];
  }

  hasSchema(session: Session, schema: string): Promise<boolean> {
    return hasRedshiftSchema(session, schema);
  }

  describe(session: Session, table: Table): ReturnType<Warehouse['describe']> {
    return describeRedshift(session, table);
  }

  place(source: SourceColumn, target: string | undefined, cast: string | boolean): Placement {
    const natural = toRedshift(source);
    const type = canonicalRedshift(target ?? (typeof cast === 'string' ? cast : natural.type));
    return { type, ...redshiftConversion(natural, type) };
  }

  createTable(plan: Omit<TablePlan, 'ddl'>): string {
    return createRedshiftTable(plan);
  }

  /** Nothing to run in the transaction: the widening is noted, and done by `stage` on a connection of its own. */
  widen(table: Table, column: PlannedColumn, target: TargetColumn): readonly string[] {
    const natural = canonicalRedshift(toRedshift(column.source).type);
    if (column.fit === 'checked' && [column.type, natural].every((type) => type.startsWith('VARCHAR('))) {
      const statement = `ALTER TABLE ${quotedTable(table)} ALTER COLUMN ${quoted(target.name)} TYPE ${natural}`;
      this.widenings.set(column.source, statement);
      Object.assign(column, this.place(column.source, natural, false));
    }
    return [];
  }

  async stage(session: Session, plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): Promise<Staged> {
    const { s3, region, signal, authorization } = this.options;
    authorization();
    const urls = receipts.map(({ url }) => url);
    await demandRegion(await s3(), urls, region, signal, this.regions);
    const filled = await objectsWithRows(session, receipts, open);
    await this.widenFirst(session, plan);
    const { connect, showValues } = this.options;
    const load = { plan, receipts: filled, open, connect, signal, showValues };
    this.loads.set(plan, load);
    return new RedshiftStaging(session, this.options, load).fill();
  }

  /** Also what is wrong with where the object lies: its region, its name. */
  async check(file: LoadFile, plan: TablePlan, existing: TargetTable | undefined): Promise<readonly Refusal[]> {
    const { s3, region, signal } = this.options;
    const { receipt } = file;
    manifestText([receipt]);
    await demandRegion(await s3(), [receipt.url], region, signal, this.regions);
    return redshiftRefusals(file, plan, existing);
  }

  async merge(session: Session, plan: TablePlan, staged: Staged): Promise<number> {
    const there = await describeRedshift(session, plan.target);
    const arriving = new Set(plan.columns.map(({ name }) => name));
    const complete = plan.softDelete === null && (there?.columns ?? []).every(({ name }) => arriving.has(name));
    try {
      return await redshiftMerge(session, plan, staged, complete);
    } catch (error) {
      const load = this.loads.get(plan);
      throw load ? await mergeFailure(error, load) : error;
    }
  }

  retryable(error: unknown): boolean {
    return isSerialization(error);
  }

  failure(error: unknown, doing: string): Failure {
    return redshiftFailure(error, doing, this.options.showValues);
  }

  private async widenFirst(session: Session, plan: TablePlan): Promise<void> {
    const statements = plan.columns.flatMap(({ source }) => this.widenings.get(source) ?? []);
    if (statements.length === 0) return;
    const alone = session.dry ? session : await this.options.connect();
    try {
      for (const statement of statements) await alone.write(statement);
    } finally {
      if (alone !== session) await alone.end();
    }
  }
}
