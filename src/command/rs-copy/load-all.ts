/** The run of `rs-copy`: batches in, a line for each that was loaded, and the end line. */
import type { Invocation } from '../../cli/command.js';
import { parseDuration } from '../../cli/parse.js';
import { Failure, codeOf } from '../../errors.js';
import { failpoint } from '../../failpoint.js';
import type { Batch, BatchLimits } from '../../load/batch.js';
import { Arrivals, chainBatches, receiptBatches } from '../../load/feed.js';
import type { Table } from '../../load/name.js';
import type { Loader } from '../../load/transaction.js';
import { readReceipts } from '../../receipt.js';
import { writeStdout } from '../../sink/stdout.js';
import { pause } from '../../retry.js';
import { stdinBytes, stdinIsDevice } from '../../source/stdin.js';
import { interruptible } from '../../stage.js';
import type { Chain } from '../../watermark/chain.js';
import { openStore, openTableChain } from '../watermark-store.js';

export interface LoadAllOptions {
  target: Table;
  limits: BatchLimits;
  /** Load each snapshot as one batch. */
  whole: boolean;
}

/** Loads everything the command line names. A failure is written into the end line, then thrown. */
export async function loadAll(invocation: Invocation, loader: Loader, options: LoadAllOptions): Promise<void> {
  const run = new Run(invocation, loader, options);
  try {
    await run.everything();
  } catch (error) {
    await run.end(error).catch(() => {});
    throw error;
  }
  await run.end();
}

class Run {
  private readonly total = { loads: 0, objects: 0, rows: 0, bytes: 0, already_loaded: 0 };
  private readonly dry: boolean;

  constructor(
    private readonly invocation: Invocation,
    private readonly loader: Loader,
    private readonly options: LoadAllOptions,
  ) {
    this.dry = invocation.flags.on('dry-run');
  }

  async everything(): Promise<void> {
    const { flags } = this.invocation;
    const source = flags.text('from-store');
    if (source === undefined) {
      const chained = ['catch-up', 'watch'].find((name) => flags.on(name));
      if (chained !== undefined) {
        throw new Failure('usage', `--${chained} needs --from-store`, { hint: 'Name the source table with it.' });
      }
      return this.load(receiptBatches(this.receipts(), this.options.limits, this.options.whole));
    }
    const chain = openTableChain(await openStore(this.invocation), source, this.invocation);
    const withStdin = !flags.on('catch-up') && !stdinIsDevice() && !this.dry;
    if (flags.on('watch')) return this.watch(chain);
    if (withStdin) return this.follow(chain, new Arrivals(this.receipts(), source));
    return this.load(this.pending(chain), chain);
  }

  /** The end line; with what stopped the run, if anything did. */
  async end(error?: unknown): Promise<void> {
    const { runId, words } = this.invocation;
    const { schema, table } = this.options.target;
    const status = error === undefined ? 'complete' : 'aborted';
    const code = error === undefined ? 0 : codeOf(error);
    const line = { type: 'end', status, run_id: runId, table: `${schema}.${table}`, ...this.total, code };
    if (this.dry) return;
    await writeStdout(`${JSON.stringify(line)}\n`);
    if (error === undefined) words.detail(`${this.total.rows} rows in ${this.total.objects} objects loaded`);
  }

  /** Loads what the chain holds each time receipts have come, until they end; what is committed is loaded first. */
  private async follow(chain: Chain, arrivals: Arrivals): Promise<void> {
    for (;;) {
      const seen = arrivals.count;
      const { over } = arrivals;
      await this.load(this.pending(chain), chain);
      if (over && arrivals.error !== undefined) throw arrivals.error;
      if (over) return;
      await arrivals.changed(seen);
    }
  }

  /** Loads, waits and loads again until no extract is under way and nothing is pending. */
  private async watch(chain: Chain): Promise<void> {
    const { flags, signal } = this.invocation;
    const pollMs = parseDuration(flags.text('poll') ?? '2s', '--poll');
    for (;;) {
      const running = (await chain.read())?.doc.state.mysql_status === 'running';
      await this.load(this.pending(chain), chain);
      if (!running) return;
      await pause(pollMs, signal);
    }
  }

  private pending(chain: Chain): AsyncGenerator<Batch> {
    return chainBatches(chain, this.options.limits, this.options.whole);
  }

  private async *receipts(): ReturnType<typeof readReceipts> {
    const { signal } = this.invocation;
    yield* readReceipts(interruptible(stdinBytes('receipts')(signal), signal));
  }

  private async load(batches: AsyncIterable<Batch>, chain?: Chain): Promise<void> {
    for await (const batch of batches) {
      if (batch.objects.length > 0) await this.loadOne(batch);
      if (chain && batch.through !== null && !this.dry) {
        await chain.commitLoaded(batch.through, { run_id: this.invocation.runId });
        await failpoint('rs-copy.after-loaded');
      }
    }
  }

  private async loadOne(batch: Batch): Promise<void> {
    const started = performance.now();
    const { status, mode, objects, rows, bytes, merged, already, attempts } = await this.loader.load(batch);
    this.total.loads += 1;
    this.total.objects += objects;
    this.total.rows += rows;
    this.total.bytes += bytes;
    this.total.already_loaded += already;
    if (this.dry) return;
    const { schema, table } = this.options.target;
    const line = {
      type: 'load',
      v: 1,
      run_id: this.invocation.runId,
      batch: batch.id,
      table: `${schema}.${table}`,
      status,
      mode,
      generation: batch.objects.at(-1)?.generation ?? null,
      objects,
      rows,
      bytes,
      merged,
      already_loaded: already,
      attempts,
      ms: Math.round(performance.now() - started),
    };
    await writeStdout(`${JSON.stringify(line)}\n`);
  }
}
