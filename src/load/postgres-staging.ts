/** Rows of objects into PostgreSQL: a COPY an object, into a staging table, or where that gives the same, the target. */
import type { TextPolicy } from '../codec/postgres-cell.js';
import { postgresBinary } from '../codec/postgres-binary.js';
import { canonicalType } from '../column/postgres-fit.js';
import { binaryForm } from '../column/to-postgres.js';
import type { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { sqlState } from '../warehouse-failure.js';
import { quoted, quotedTable } from './name.js';
import { createPostgresTable } from './postgres-ddl.js';
import { ORDER_COLUMN } from './postgres-merge.js';
import { namedRefusal } from './postgres-refusal.js';
import { hasVersions } from './versions.js';
import type { OpenFile, Session, Staged, TablePlan } from './warehouse.js';

const STAGING = '_tablepipe_staging';

export interface StagingOptions {
  nul: TextPolicy;
  signal: AbortSignal;
  failure: (error: unknown, doing: string) => Failure;
}

export class PostgresStaging {
  constructor(private readonly options: StagingOptions) {}

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
      if (!plan.exists) await session.write(createPostgresTable({ ...plan, mode: 'append' }));
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
      throw await namedRefusal(error, this.options.failure(error, `loading ${receipt.url}`), searched);
    } finally {
      await file.close();
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
