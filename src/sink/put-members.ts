/**
 * Members in, receipts out: in the order of the data, without gaps, each only after its object is complete and
 * checked. The next member is read while the last ones are still being completed.
 */
import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Member, MemberItem } from '../codec/member.js';
import type { EndRecord } from '../end-record.js';
import { Failure, codeOf } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { FileProvenance } from '../provenance.js';
import { type Receipt, receiptLine } from '../receipt.js';
import type { Codec, Sink } from '../stage.js';
import type { Stored } from './stored.js';

export interface PutOptions {
  /** Names the run in the receipts; undefined takes the name the stream has, so that a pipeline has one. */
  runId: string | undefined;
  /** The name when the stream has none either. */
  ownRunId: string;
  /** Most objects that are being completed at once. */
  objects: number;
  /** Where a member goes; throws 64 when it cannot go there. */
  open: (member: Member) => Sink<Uint8Array, Stored>;
}

/**
 * Complete input: every receipt, then the end line. Otherwise: the receipts of the objects that were complete before
 * the trouble, an abort line, and the trouble is thrown. When the reader leaves, what is in flight is given up.
 */
export function putMembers(options: PutOptions): Codec<MemberItem, string> {
  return async function* receipts(input, signal) {
    const run = new Run(options, signal);
    try {
      yield* run.through(input);
    } catch (error) {
      yield* run.settle();
      yield run.endLine('aborted', undefined, codeOf(error));
      throw error;
    } finally {
      await run.giveUp();
    }
  };
}

interface Pending {
  member: Member;
  stored: Promise<Stored>;
}

class Run {
  private readonly pending: Pending[] = [];
  private readonly stop = new AbortController();
  private readonly passed = { objects: 0, rows: 0, bytes: 0 };
  private table = '';
  /** What the last member says: all there is of an input that is one object. */
  private alone: FileProvenance | undefined;
  private runId: string | undefined;

  constructor(
    private readonly options: PutOptions,
    private readonly signal: AbortSignal,
  ) {
    this.runId = options.runId;
    setMaxListeners(0, this.stop.signal);
    if (signal.aborted) this.stop.abort(signal.reason);
    signal.addEventListener('abort', () => this.stop.abort(signal.reason), { once: true });
  }

  async *through(input: AsyncIterable<MemberItem>): AsyncGenerator<string> {
    const items = input[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { value: item, done } = await items.next();
        if (done) throw new Failure('internal', 'the members ended without an end');
        if (item.kind === 'end') {
          while (this.pending.length > 0) yield await this.first();
          yield this.endLine('complete', item.record, 0);
          return;
        }
        const { member } = item;
        const stored = this.options.open(member)(member.body, this.stop.signal);
        stored.catch(() => {});
        this.pending.push({ member, stored });
        yield* this.untilTaken(member, stored);
      }
    } finally {
      // An input stuck in a read of a silent stdin cannot be waited for.
      Promise.resolve(items.return?.()).catch(() => {});
    }
  }

  /** Receipts of earlier members while this one is read: they are due when they are due, not when the next begins. */
  private async *untilTaken(member: Member, stored: Promise<Stored>): AsyncGenerator<string> {
    const taken = member.taken.then(() => 'taken' as const);
    // A sink that fails does not always read on: its failure is as good as the end of the body.
    const failed = stored.then(() => taken);
    failed.catch(() => {});
    for (;;) {
      const full = this.pending.length > this.options.objects;
      const head = this.pending[0];
      const ready = head?.stored.then(() => 'ready' as const);
      ready?.catch(() => {});
      const next = await Promise.race([...(ready ? [ready] : []), ...(full ? [] : [taken, failed])]);
      if (next === 'taken') return;
      yield await this.first();
    }
  }

  /** The objects that still become complete after the input broke off; the first that does not ends it. */
  async *settle(): AsyncGenerator<string> {
    try {
      while (this.pending.length > 0) yield await this.first();
    } catch {
      // The trouble that is reported is the one that came first in the stream.
    }
  }

  async giveUp(): Promise<void> {
    this.stop.abort(new Failure('reader-left', 'the reader of the receipts went away'));
    await Promise.allSettled(this.pending.map(({ stored }) => stored));
  }

  endLine(status: 'complete' | 'aborted', record: EndRecord | undefined, code: number): string {
    const table = record?.table ?? this.table;
    const how = record?.read === undefined ? {} : { read: record.read };
    const began = record === undefined ? {} : { from: record.from };
    const limited = (record ?? this.alone)?.limited === undefined ? {} : ({ limited: true } as const);
    return receiptLine({
      type: 'end',
      status,
      run_id: this.runId ?? record?.run_id ?? this.options.ownRunId,
      table,
      ...this.passed,
      code,
      ...how,
      ...began,
      ...limited,
    });
  }

  private async first(): Promise<string> {
    const { member, stored } = this.pending[0] as Pending;
    const receipt = this.receipt(member, await stored);
    this.pending.shift();
    await failpoint('s3-put.before-receipt');
    this.table = receipt.table;
    this.passed.objects += 1;
    this.passed.rows += receipt.rows ?? 0;
    this.passed.bytes += receipt.bytes;
    return receiptLine(receipt);
  }

  private receipt(member: Member, { url, bytes, etag, crc32 }: Stored): Receipt {
    const { provenance, rows, until, runId } = member.about();
    this.alone = provenance;
    this.runId ??= runId ?? this.options.ownRunId;
    return {
      type: 'object',
      v: 1,
      run_id: this.runId,
      seq: this.passed.objects,
      table: provenance?.table ?? '',
      url,
      bytes,
      rows: provenance?.rows ?? rows ?? null,
      etag,
      crc32,
      schema_id: provenance?.schema_id ?? null,
      read: provenance?.read ?? 'snapshot',
      primary_key: provenance?.primary_key ?? [],
      cursor_columns: provenance?.cursor_columns ?? [],
      from: provenance?.from ?? null,
      to: provenance?.to ?? null,
      ...(until === undefined ? {} : { until }),
      write_id: writeId(url, bytes, crc32),
    };
  }
}

/** The same for the same object, so that a repeat is told by its receipt: nothing under a name ever changes. */
function writeId(url: string, bytes: number, crc32: string): string {
  return createHash('sha256').update(`${url}\n${bytes}\n${crc32}`).digest('hex').slice(0, 32);
}
