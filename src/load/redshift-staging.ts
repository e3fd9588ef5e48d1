/** Objects into a temporary table of Redshift: one manifest and one COPY for all of them. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Receipt } from '../receipt.js';
import { type Authorization, maskKeys } from '../sink/redshift-authorization.js';
import { copyStatement, redshiftCopy } from '../sink/redshift-copy.js';
import {
  defaultManifestFolder,
  manifestText,
  manifestUrl,
  putManifest,
  removeManifest,
} from '../sink/redshift-manifest.js';
import { quoted } from './name.js';
import { type FailedLoad, loadFailure } from './redshift-failure.js';
import { FILE_COLUMN, tiesStatement } from './redshift-merge.js';
import { hasVersions } from './versions.js';
import type { OpenFile, Session, Staged, TablePlan } from './warehouse.js';

const TABLE = quoted('_tablepipe_staging');
const PART = quoted('_tablepipe_part');

export interface StagingOptions {
  s3: () => Promise<S3Client>;
  /** Asked for by each COPY; 78 when there is none. */
  authorization: () => Authorization;
  /** Folder for manifests; undefined: `_tablepipe/manifests/` in the bucket of the data. */
  manifests: string | undefined;
  signal: AbortSignal;
}

/**
 * The objects that have rows. Each is opened once: the one the receipt speaks of, with the planned columns, since
 * COPY would not notice another.
 */
export async function objectsWithRows(
  session: Session,
  receipts: readonly Receipt[],
  open: OpenFile,
): Promise<Receipt[]> {
  if (session.dry) return receipts.filter(({ rows }) => rows !== 0);
  const filled: Receipt[] = [];
  for (const receipt of receipts) {
    const file = await open(receipt);
    await file.close();
    if (file.rows > 0) filled.push(receipt);
  }
  return filled;
}

/** The staging of one load, whose objects all have rows. */
export class RedshiftStaging {
  private readonly plan: TablePlan;
  private readonly receipts: readonly Receipt[];

  constructor(
    private readonly session: Session,
    private readonly options: StagingOptions,
    private readonly load: FailedLoad,
  ) {
    this.plan = load.plan;
    this.receipts = load.receipts;
  }

  /** Creates the staging table and fills it. */
  async fill(): Promise<Staged> {
    const { session, plan, receipts } = this;
    const columns = plan.columns.map(({ name, staging }) => `${quoted(name)} ${staging}`);
    if (hasVersions(plan)) columns.push(`${quoted(FILE_COLUMN)} INTEGER`);
    await session.write(`CREATE TEMP TABLE ${TABLE} (${columns.join(', ')})`);
    // What COPY does with a file of no rows, or with none at all, nobody has recorded.
    if (receipts.length === 0) return { table: TABLE, rows: 0 };
    let rows = await this.copy(TABLE, receipts);
    if (!session.dry && receipts.length > 1 && hasVersions(plan)) {
      const tied = await session.read(tiesStatement(plan, TABLE));
      if (tied.length > 0) rows = await this.copyApart();
    }
    return { table: TABLE, rows };
  }

  /** One manifest, one COPY. */
  private async copy(table: string, receipts: readonly Receipt[]): Promise<number> {
    const { session, plan, options } = this;
    const folder = options.manifests ?? defaultManifestFolder(receipts[0]?.url ?? '');
    const url = manifestUrl(folder, plan.target.table);
    const text = manifestText(receipts);
    const columns = plan.columns.map(({ name }) => quoted(name));
    const statement = copyStatement({ table, columns }, url, options.authorization());
    if (session.dry) {
      await session.write(`-- ${url}\n${text.trim().replaceAll(/^/gm, '-- ')}\n${maskKeys(statement)}`);
      return receipts.reduce((total, { rows }) => total + (rows ?? 0), 0);
    }
    const s3 = await options.s3();
    await putManifest(s3, url, text, options.signal);
    try {
      return await redshiftCopy(session, statement);
    } catch (error) {
      throw await loadFailure(error, { ...this.load, receipts });
    } finally {
      await removeManifest(s3, url);
    }
  }

  /** Versions that only their files tell apart are staged a file at a time: the one case of more than one COPY. */
  private async copyApart(): Promise<number> {
    const { session, plan, receipts } = this;
    const names = plan.columns.map(({ name }) => quoted(name)).join(', ');
    await session.write(`DELETE FROM ${TABLE}`);
    await session.write(`CREATE TEMP TABLE ${PART} (LIKE ${TABLE})`);
    let rows = 0;
    for (const [index, receipt] of receipts.entries()) {
      rows += await this.copy(PART, [receipt]);
      await session.write(
        `INSERT INTO ${TABLE} (${names}, ${quoted(FILE_COLUMN)}) SELECT ${names}, ${index} FROM ${PART}`,
      );
      await session.write(`DELETE FROM ${PART}`);
    }
    await session.write(`DROP TABLE ${PART}`);
    return rows;
  }
}
