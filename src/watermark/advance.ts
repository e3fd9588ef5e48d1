/**
 * Receipts in, committed receipts out. A receipt goes on only after a generation that holds it was created;
 * one whose `from` is not where the chain stands is refused, so a gap, an overlap or a second run cannot move
 * the watermark. Memory: the receipts of one generation, about 1 KB each; for a snapshot those of the run.
 */
import { Failure, codeOf } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { type Receipt, type ReceiptItem, type ReceiptsEnd, readReceipts, receiptLine } from '../receipt.js';
import type { Codec } from '../stage.js';
import { type Chain, type Tail } from './chain.js';
import { findCommitted, findSnapshot } from './committed.js';
import { linkOf } from './damage.js';
import { samePosition } from './position.js';
import { demandColumns, demandContinuous, demandReceipt, expectedPosition, notExpected } from './receipt-order.js';
import { type State, type StepStatus, type Stored, emptyState, foldStored } from './state.js';

export interface AdvanceOptions {
  /** Longest time a receipt waits for others to share its generation, in milliseconds. */
  flushMs: number;
  /** Most receipts in one generation. */
  flushFiles: number;
  /** For the abort line of a stream that brought no receipt. */
  runId: string;
}

/**
 * The codec behind `wm advance`. Complete input: every receipt, then the end line. Cut or aborted input: what was
 * complete is committed and passed on, then an abort line, then the failure is thrown.
 */
export function advance(chain: Chain, options: AdvanceOptions): Codec<Uint8Array, string> {
  return async function* committed(input) {
    const tail = await chain.tail();
    await linkOf(tail, chain);
    const run = new Run(chain, options, tail);
    const items = readReceipts(input);
    try {
      yield* run.through(items);
    } catch (error) {
      yield run.abortLine(error);
      throw error;
    } finally {
      // A reader stuck on a silent stdin must not hold the failure back.
      items.return(undefined).catch(() => {});
    }
  };
}

type Step = { item: ReceiptItem } | { error: unknown };

async function step(items: AsyncGenerator<ReceiptItem>): Promise<Step> {
  try {
    const { value, done } = await items.next();
    return done ? { error: new Failure('internal', 'the receipts ended without an end line') } : { item: value };
  } catch (error) {
    return { error };
  }
}

class Run {
  private batch: Receipt[] = [];
  private due: Promise<'due'> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private last: Receipt | undefined;
  private limited = false;
  private passed = { objects: 0, rows: 0, bytes: 0 };

  constructor(
    private readonly chain: Chain,
    private readonly options: AdvanceOptions,
    private tail: Tail | undefined,
  ) {}

  async *through(items: AsyncGenerator<ReceiptItem>): AsyncGenerator<string> {
    let next = step(items);
    for (;;) {
      const got = this.due ? await Promise.race([next, this.due]) : await next;
      if (got === 'due') {
        yield* this.flush('running');
        continue;
      }
      if ('error' in got) return yield* this.giveUp(got.error);
      if (got.item.type === 'end') return yield* this.finish(got.item);
      yield* this.take(got.item);
      next = step(items);
    }
  }

  /** The end line of a stream that goes no further. */
  abortLine(error: unknown): string {
    const run_id = this.last?.run_id ?? this.options.runId;
    const { table } = this.chain;
    return receiptLine({ type: 'end', status: 'aborted', run_id, table, ...this.passed, code: codeOf(error) });
  }

  private async *take(receipt: Receipt): AsyncGenerator<string> {
    let known: number | undefined;
    try {
      known = await this.check(receipt);
    } catch (error) {
      return yield* this.giveUp(error);
    }
    this.last = receipt;
    if (known !== undefined) {
      yield* this.flush('running');
      yield this.pass(receipt, known);
      return;
    }
    this.batch.push(receipt);
    if (receipt.read === 'snapshot') return;
    this.startTimer();
    if (this.batch.length >= this.options.flushFiles) yield* this.flush('running');
  }

  /** Resolves to the generation that already holds the receipt, or to undefined when it is new and fits. */
  private async check(receipt: Receipt): Promise<number | undefined> {
    demandReceipt(receipt, this.chain.table);
    if (this.last) demandContinuous(this.last, receipt);
    const expected = this.batch.at(-1)?.to ?? expectedPosition(this.state(), receipt);
    if (receipt.read !== 'snapshot' && !samePosition(receipt.from, expected)) {
      const generation = await findCommitted(this.chain, receipt, this.tail?.link?.doc);
      if (generation === undefined) throw notExpected(receipt, expected);
      return generation;
    }
    demandColumns(this.state(), receipt);
    return undefined;
  }

  private async *finish(end: ReceiptsEnd): AsyncGenerator<string> {
    const { last } = this;
    this.limited = end.limited === true;
    if (this.limited && last?.read === 'snapshot') {
      const error = new Failure('data', `--limit ended the read of ${end.table}, so it is no snapshot of it`, {
        hint: 'Read all of it, without --limit.',
      });
      return yield* this.giveUp(error);
    }
    const foreign = end.table !== '' && end.table !== this.chain.table;
    if (foreign || (last && end.run_id !== last.run_id)) {
      const error = new Failure('data', `the end line is of ${end.table}, run ${end.run_id}; the receipts are not`);
      return yield* this.giveUp(error);
    }
    if (last && (this.batch.length > 0 || this.unended(last))) yield* this.flush('success');
    if (!last) await this.finishEarlierRun(end);
    yield receiptLine(end);
  }

  /**
   * A run killed between its last receipt and its end line is brought to its end by a rerun that finds no row:
   * a backfill becomes complete and sets the cursor, a read in cursor order becomes a success.
   */
  private async finishEarlierRun(end: ReceiptsEnd): Promise<void> {
    const due = unfinished(this.state(), end);
    if (!due) return;
    await this.chain.commit(async (tail, generation, at) => {
      const state = (await linkOf(tail, this.chain))?.doc.state ?? emptyState(at);
      const { run_id } = end;
      const rest = { ...due, receipts: [], limited: false, status: 'success', at } as const;
      return {
        kind: 'stored',
        run_id,
        ...due,
        from: due.to,
        state: foldStored(state, { generation, run_id, ...rest }),
      };
    }, this.tail ?? null);
  }

  /** True when this run's receipts are committed but the chain does not say that the run came to its end. */
  private unended(last: Receipt): boolean {
    const state = this.state();
    return state.mysql_status !== 'success' && samePosition(last.to, expectedPosition(state, last));
  }

  /** Commits what came before the trouble, then throws the trouble. A snapshot counts only as a whole. */
  private async *giveUp(error: unknown): AsyncGenerator<string> {
    if (this.last?.read !== 'snapshot' && this.batch.length > 0) yield* this.flush('failed');
    throw error;
  }

  /** Commits the batch, then hands its receipts on. */
  private async *flush(status: StepStatus): AsyncGenerator<string> {
    this.stopTimer();
    const { batch, last } = this;
    if (!last || (batch.length === 0 && status !== 'success')) return;
    this.batch = [];
    const snapshot = last.read === 'snapshot';
    const known = snapshot ? await findSnapshot(this.chain, batch, this.tail?.link?.doc) : undefined;
    const generation = known ?? (await this.commit(batch, last, status));
    await failpoint('wm.before-print');
    for (const receipt of batch) yield this.pass(receipt, generation);
  }

  private async commit(batch: readonly Receipt[], last: Receipt, status: StepStatus): Promise<number> {
    const { read, cursor_columns, run_id, to } = last;
    const until = last.until ?? null;
    const { limited } = this;
    const from = batch[0] ? batch[0].from : to;
    const link = await this.chain.commit(async (tail, generation, at) => {
      const state = (await linkOf(tail, this.chain))?.doc.state ?? emptyState(at);
      const stands = expectedPosition(state, last);
      if (read !== 'snapshot' && !samePosition(from, stands)) throw notExpected(batch[0] ?? last, stands);
      const event = { generation, run_id, read, cursor_columns, receipts: batch, to, until, limited, status, at };
      const folded = foldStored(state, event);
      return { kind: 'stored', run_id, read, cursor_columns, from, to, receipts: batch, state: folded };
    }, this.tail ?? null);
    if (!link) throw new Failure('internal', 'a stored generation was not committed');
    this.tail = { generation: link.doc.generation, sha256: link.sha256, link };
    return link.doc.generation;
  }

  private pass(receipt: Receipt, generation: number): string {
    this.passed.objects += 1;
    this.passed.rows += receipt.rows ?? 0;
    this.passed.bytes += receipt.bytes;
    return receiptLine({ ...receipt, generation });
  }

  private state(): State {
    return this.tail?.link?.doc.state ?? emptyState('');
  }

  private startTimer(): void {
    this.due ??= new Promise((resolve) => {
      this.timer = setTimeout(() => resolve('due'), this.options.flushMs);
    });
  }

  private stopTimer(): void {
    clearTimeout(this.timer);
    this.due = undefined;
  }
}

/** What an earlier run left open at the place where this one found nothing. */
function unfinished(
  state: State,
  end: ReceiptsEnd,
): Pick<Stored, 'read' | 'cursor_columns' | 'to' | 'until'> | undefined {
  const { backfill, cursor, cursor_columns } = state;
  const ended = end.read === 'backfill' && !end.limited;
  if (ended && backfill?.status === 'running' && samePosition(end.from ?? null, backfill.to)) {
    return { read: 'backfill', cursor_columns: backfill.columns, to: backfill.to, until: backfill.until };
  }
  const open = state.mysql_status === 'running' || state.mysql_status === 'failed';
  if (end.read === 'incremental' && open && cursor !== null && samePosition(end.from ?? null, cursor)) {
    return { read: 'incremental', cursor_columns, to: cursor, until: null };
  }
  return undefined;
}
