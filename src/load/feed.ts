/** Where batches come from: receipts as they arrive, or the generations a watermark chain holds and has not loaded. */
import { Failure } from '../errors.js';
import { type Receipt, type ReceiptItem, type ReceiptsEnd } from '../receipt.js';
import type { Chain } from '../watermark/chain.js';
import { type Batch, type BatchLimits, Batches } from './batch.js';

/** How long a batch waits for receipts that are about to arrive, in milliseconds: they come in bursts. */
const LINGER_MS = 50;

/**
 * Batches of receipts, each as large as what has arrived allows, so that loading begins with the first receipt and
 * never waits for the last. With `whole`, one batch when the end line is there. A stream that was cut or aborted
 * gives what came before (each receipt stands for an object that exists), then throws; a whole one gives nothing.
 */
export async function* receiptBatches(
  items: AsyncIterable<ReceiptItem>,
  limits: BatchLimits,
  whole: boolean,
): AsyncGenerator<Batch> {
  const batches = new Batches(whole ? UNLIMITED : limits);
  const iterator = items[Symbol.asyncIterator]();
  let next = step(iterator);
  for (;;) {
    const got = whole || batches.empty ? await next : await Promise.race([next, lingered()]);
    if (got === 'lingered') {
      const ready = batches.take();
      if (ready) yield ready;
      continue;
    }
    if ('error' in got) {
      const ready = whole ? undefined : batches.take();
      if (ready) yield ready;
      throw got.error;
    }
    if (got.item === undefined || got.item.type === 'end') {
      if (whole && got.item?.limited) throw partial(got.item);
      const ready = batches.take();
      if (ready) yield ready;
      return;
    }
    const full = batches.add({ ...got.item, chain: null });
    next = step(iterator);
    if (full && whole) throw mixed(got.item);
    if (full) yield full;
  }
}

const UNLIMITED: BatchLimits = { files: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

type Step = { item: ReceiptItem | undefined } | { error: unknown };

async function step(iterator: AsyncIterator<ReceiptItem>): Promise<Step> {
  try {
    const { value, done } = await iterator.next();
    return { item: done ? undefined : value };
  } catch (error) {
    return { error };
  }
}

function lingered(): Promise<'lingered'> {
  return new Promise((resolve) => setTimeout(() => resolve('lingered'), LINGER_MS));
}

function mixed(receipt: Receipt): Failure {
  return new Failure('data', `${receipt.url} has other columns than the objects before it; a snapshot has one shape`, {
    hint: 'The table was altered while it was read: extract it again.',
  });
}

function partial({ table }: ReceiptsEnd): Failure {
  return new Failure('data', `--limit ended the read of ${table}; only a complete snapshot may replace a table`, {
    hint: 'Extract all of it, or load with --mode upsert.',
  });
}

/**
 * What a chain holds and has not loaded, oldest first. With `whole`, a batch for each generation.
 * Memory: the receipts of one generation and of one batch.
 */
export async function* chainBatches(chain: Chain, limits: BatchLimits, whole: boolean): AsyncGenerator<Batch> {
  const batches = new Batches(whole ? UNLIMITED : limits);
  for await (const { generation, chain: id, receipts } of chain.pending()) {
    for (const receipt of receipts) {
      const full = batches.add({ ...receipt, generation, chain: id });
      if (full && whole) throw mixed(receipt);
      if (full) yield full;
    }
    batches.complete(generation);
    const ready = whole ? batches.take() : undefined;
    if (ready) yield ready;
  }
  const last = batches.take();
  if (last) yield last;
}

/**
 * Reads receipts on the side and only counts them: the chain holds what they say. Reading never waits for a load, so
 * the programs before this one are not held up by it.
 */
export class Arrivals {
  /** Receipts so far. */
  count = 0;
  end: ReceiptsEnd | undefined;
  error: unknown;
  private wake: () => void = () => {};

  constructor(items: AsyncIterable<ReceiptItem>, table: string) {
    void this.read(items, table);
  }

  get over(): boolean {
    return this.end !== undefined || this.error !== undefined;
  }

  /** Resolves when more than `seen` receipts came, or the stream is over. */
  async changed(seen: number): Promise<void> {
    while (this.count <= seen && !this.over) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private async read(items: AsyncIterable<ReceiptItem>, table: string): Promise<void> {
    try {
      for await (const item of items) {
        if (item.type === 'end') this.end = item;
        else {
          demandCommitted(item, table);
          this.count += 1;
        }
        this.wake();
      }
    } catch (error) {
      this.error = error;
    }
    this.wake();
  }
}

function demandCommitted(receipt: Receipt, table: string): void {
  if (receipt.table !== table) {
    throw new Failure('data', `receipt ${receipt.seq} is of the table ${receipt.table}, not ${table}`, {
      hint: `Use --from-store ${receipt.table}, or leave --from-store out.`,
    });
  }
  if (receipt.generation === undefined) {
    throw new Failure('data', `receipt ${receipt.seq} was not committed to the watermark chain`, {
      hint: `Put \`wm advance ${table}\` before this program, or leave --from-store out.`,
    });
  }
}
