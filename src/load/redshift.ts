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
import { type Authorization, maskKeys } from '../sink/redshift-authorization.js';
import { copyStatement, redshiftCopy } from '../sink/redshift-copy.js';
import {
  defaultManifestFolder,
  manifestText,
  manifestUrl,
  putManifest,
  removeManifest,
} from '../sink/redshift-manifest.js';
import { LEDGER_COLUMNS } from './ledger.js';
import { REDSHIFT_NAMES, type Table, quoted, quotedTable } from './name.js';
import { describeRedshift, hasRedshiftSchema } from './redshift-catalogue.js';
import { redshiftRefusals } from './redshift-check.js';
import { createRedshiftTable } from './redshift-ddl.js';
import { type FailedLoad, isSerialization, loadFailure, mergeFailure, redshiftFailure } from './redshift-failure.js';
import { FILE_COLUMN, redshiftMerge, tiesStatement } from './redshift-merge.js';
import { redshiftSession } from './redshift-session.js';
import { hasVersions } from './versions.js';
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

const STAGING = '_tablepipe_staging';
const PART = '_tablepipe_part';

export class Redshift implements Warehouse {
  readonly dialect = 'redshift';
  readonly names = REDSHIFT_NAMES;
  readonly enforcesKeys = false;
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
    const filled = await this.withRows(session, receipts, open);
    await this.widenFirst(session, plan);
    const table = quoted(STAGING);
    await createStaging(session, plan, table);
    this.loads.set(plan, this.load(plan, filled, open));
    // What COPY does with a file of no rows, or with none at all, nobody has recorded.
    if (filled.length === 0) return { table, rows: 0 };
    let rows = await this.copy(session, plan, table, filled, open);
    if (!session.dry && filled.length > 1 && hasVersions(plan)) {
      const tied = await session.read(tiesStatement(plan, table));
      if (tied.length > 0) rows = await this.copyApart(session, plan, table, filled, open);
    }
    return { table, rows };
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

  private load(plan: TablePlan, receipts: readonly Receipt[], open: OpenFile): FailedLoad {
    const { connect, signal, showValues } = this.options;
    return { plan, receipts, open, connect, signal, showValues };
  }

  /**
   * The objects that have rows. Each is opened once: the one the receipt speaks of, with the planned columns, since
   * COPY would not notice another.
   */
  private async withRows(session: Session, receipts: readonly Receipt[], open: OpenFile): Promise<Receipt[]> {
    if (session.dry) return receipts.filter(({ rows }) => rows !== 0);
    const filled: Receipt[] = [];
    for (const receipt of receipts) {
      const file = await open(receipt);
      await file.close();
      if (file.rows > 0) filled.push(receipt);
    }
    return filled;
  }

  /** One manifest, one COPY. */
  private async copy(
    session: Session,
    plan: TablePlan,
    table: string,
    receipts: readonly Receipt[],
    open: OpenFile,
  ): Promise<number> {
    const { authorization, signal } = this.options;
    const folder = this.options.manifests ?? defaultManifestFolder(receipts[0]?.url ?? '');
    const url = manifestUrl(folder, plan.target.table);
    const text = manifestText(receipts);
    const columns = plan.columns.map(({ name }) => quoted(name));
    const statement = copyStatement({ table, columns }, url, authorization());
    if (session.dry) {
      await session.write(`-- ${url}\n${text.trim().replaceAll(/^/gm, '-- ')}\n${maskKeys(statement)}`);
      return receipts.reduce((total, { rows }) => total + (rows ?? 0), 0);
    }
    const s3 = await this.options.s3();
    await putManifest(s3, url, text, signal);
    try {
      return await redshiftCopy(session, statement);
    } catch (error) {
      throw await loadFailure(error, this.load(plan, receipts, open));
    } finally {
      await removeManifest(s3, url);
    }
  }

  /** Versions that only their files tell apart are staged a file at a time: the one case of more than one COPY. */
  private async copyApart(
    session: Session,
    plan: TablePlan,
    table: string,
    receipts: readonly Receipt[],
    open: OpenFile,
  ): Promise<number> {
    const part = quoted(PART);
    const names = plan.columns.map(({ name }) => quoted(name)).join(', ');
    await session.write(`DELETE FROM ${table}`);
    await session.write(`CREATE TEMP TABLE ${part} (LIKE ${table})`);
    let rows = 0;
    for (const [index, receipt] of receipts.entries()) {
      rows += await this.copy(session, plan, part, [receipt], open);
      await session.write(
        `INSERT INTO ${table} (${names}, ${quoted(FILE_COLUMN)}) SELECT ${names}, ${index} FROM ${part}`,
      );
      await session.write(`DELETE FROM ${part}`);
    }
    await session.write(`DROP TABLE ${part}`);
    return rows;
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

async function createStaging(session: Session, plan: TablePlan, table: string): Promise<void> {
  const columns = plan.columns.map(({ name, staging }) => `${quoted(name)} ${staging}`);
  if (hasVersions(plan)) columns.push(`${quoted(FILE_COLUMN)} INTEGER`);
  await session.write(`CREATE TEMP TABLE ${table} (${columns.join(', ')})`);
}
