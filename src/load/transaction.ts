/**
 * One batch, one transaction: lock the ledger, skip what it holds, copy into a staging table, check the row counts,
 * bring the rows into the target, write the ledger, commit. Either all of it is there afterwards or nothing.
 *
 * A serialization failure, a deadlock or a lost connection runs the whole of it again. That is right also when the
 * answer to COMMIT was lost: the ledger, asked under its lock, knows whether the commit came through.
 */
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { retry } from '../retry.js';
import type { Batch } from './batch.js';
import { demandReplaceable, demandRows, demandRowsLeft, likeFirst } from './demands.js';
import type { Ledger, LoadObject } from './ledger.js';
import { type Loaded, alreadyLoaded } from './loaded.js';
import { quotedTable, type Table } from './name.js';
import { type PlanOptions, planTable } from './table-plan.js';
import type { LoadFile, OpenFile, Session, Warehouse } from './warehouse.js';

export interface LoadContext {
  warehouse: Warehouse;
  ledger: Ledger;
  target: Table;
  plan: PlanOptions;
  open: OpenFile;
  signal: AbortSignal;
  /** Wraps a new session, for a dry run. */
  wrap?: (session: Session) => Session;
  onRetry: (error: unknown, attempt: number) => void;
}

const NONE: ReadonlyMap<LoadObject, string> = new Map();

/** Attempts at one batch. */
const ATTEMPTS = 10;

/** Loads batches over one connection, which is made anew when it breaks. */
export class Loader {
  private session: Session | undefined;

  constructor(private readonly context: LoadContext) {}

  /** Loads a batch, or finds that it is loaded. Whatever it throws, the batch is then loaded as a whole or not at all. */
  async load(batch: Batch): Promise<Loaded> {
    const { warehouse, signal, onRetry, target } = this.context;
    let committing = false;
    let attempts = 0;
    try {
      return await retry(
        async (attempt) => {
          attempts = attempt;
          const session = await this.connected();
          return await this.attempt(session, batch, (at) => (committing = at)).then((loaded) => ({
            ...loaded,
            attempts,
          }));
        },
        {
          budgetMs: Number.POSITIVE_INFINITY,
          attempts: ATTEMPTS,
          baseMs: 100,
          capMs: 5_000,
          signal,
          permanent: (error) => !warehouse.retryable(error) && !this.wasLost(error),
          onRetry: (error, attempt) => onRetry(error, attempt),
        },
      );
    } catch (error) {
      throw this.explained(error, `loading ${quotedTable(target)}`, committing, attempts);
    }
  }

  async end(): Promise<void> {
    await this.session?.end();
    this.session = undefined;
  }

  /** The open session, or a new one with a ledger to ask. */
  async connected(): Promise<Session> {
    if (this.session?.alive) return this.session;
    await this.end();
    const { warehouse, wrap, ledger, plan } = this.context;
    const opened = await warehouse.open();
    const session = wrap ? wrap(opened) : opened;
    this.session = session;
    await ledger.create(session, plan.create);
    return session;
  }

  private async attempt(
    session: Session,
    batch: Batch,
    committing: (now: boolean) => void,
  ): Promise<Omit<Loaded, 'attempts'>> {
    const { ledger, warehouse } = this.context;
    const fresh = session.dry && !(await ledger.exists(session));
    // Asked without the lock first: a batch that was delivered twice costs one statement. Only the lock has a limit.
    const held = fresh || warehouse.readersWait ? NONE : await this.held(session, batch);
    if (held.size === batch.objects.length) return alreadyLoaded(batch, held);
    try {
      await session.write('BEGIN');
      const result = await this.inTransaction(session, batch, fresh);
      if (result.status === 'already_loaded') {
        await session.write('ROLLBACK');
        return result;
      }
      await failpoint('rs-copy.before-commit');
      committing(true);
      await session.write('COMMIT');
      committing(false);
      await failpoint('rs-copy.after-commit');
      return result;
    } catch (error) {
      if (session.alive) {
        // After an error other than a lost connection the server has rolled back, or does so now.
        await session.write('ROLLBACK').catch(() => {});
        committing(false);
      }
      throw error;
    }
  }

  private async inTransaction(session: Session, batch: Batch, fresh: boolean): Promise<Omit<Loaded, 'attempts'>> {
    const { warehouse, ledger, target, open } = this.context;
    await ledger.lock(session);
    await failpoint('rs-copy.after-lock');
    const held = fresh ? NONE : await this.held(session, batch);
    const objects = batch.objects.filter((object) => !held.has(object));
    const [first] = objects;
    if (!first) return alreadyLoaded(batch, held);
    const existing = await warehouse.describe(session, target);
    const opened = await this.looked(first);
    const plan = planTable(warehouse, target, opened.columns, first, existing, this.context.plan);
    demandReplaceable(plan, objects);
    const files = likeFirst(open, opened);
    const direct = await warehouse.direct?.(session, plan, objects, files);
    const staged = direct ?? (await warehouse.stage(session, plan, objects, files));
    await failpoint('rs-copy.after-copy');
    if (!this.context.plan.allowEmpty) await demandRowsLeft(session, plan, objects, staged);
    const counted = session.dry ? objects : demandRows(objects, staged);
    // Late, because a change of the table locks readers out until the commit.
    for (const statement of direct ? [] : plan.ddl) await session.write(statement);
    if (!existing) await ledger.forget(session);
    const merged = direct ? direct.rows : await warehouse.merge(session, plan, staged);
    await ledger.add(session, counted, batch.id);
    const bytes = objects.reduce((total, object) => total + object.bytes, 0);
    return {
      status: 'loaded',
      mode: plan.mode,
      objects: objects.length,
      rows: staged.rows,
      bytes,
      merged,
      already: held.size,
    };
  }

  /** What an object's footer says; it is not held open over a plan that may be refused. */
  private async looked(object: LoadObject): Promise<LoadFile> {
    const file = await this.context.open(object);
    await file.close();
    return file;
  }

  private held(session: Session, { objects }: Batch): Promise<ReadonlyMap<LoadObject, string>> {
    const { ledger, plan } = this.context;
    return plan.mode === 'replace' ? ledger.heldAsWhole(session, objects) : ledger.held(session, objects);
  }

  /** A broken connection, or a server that is going away: the next attempt makes a new one. */
  private wasLost(error: unknown): boolean {
    return this.session !== undefined && !this.session.alive && !(error instanceof Failure && error.kind === 'data');
  }

  private explained(error: unknown, doing: string, committing: boolean, attempts: number): Failure {
    const failure = this.context.warehouse.failure(error, doing);
    const tries = attempts > 1 ? ` (after ${attempts} attempts)` : '';
    if (!committing || failure.kind !== 'temporary') {
      return new Failure(failure.kind, `${failure.message}${tries}`, {
        cause: failure.cause,
        ...(failure.hint === undefined ? {} : { hint: failure.hint }),
      });
    }
    return new Failure('temporary', `${failure.message}${tries}; whether the last batch was committed is unknown`, {
      cause: failure.cause,
      hint: 'The ledger knows: running the same line asks it.',
    });
  }
}
