/**
 * One S3 object from a stream of bytes: complete, checked and visible, or absent. It appears with the last request
 * only, and only if nothing is under its name; the same bytes under that name are taken for ours, and written again
 * when they are so old that they may be cleaned away (renewal.ts).
 *
 * @aws-sdk/lib-storage is not used: its abort() leaves the parts behind when the body is idle, it has no budget for
 * retries, it does not look when the answer to Complete is lost, and its 10,000 parts are all of one size. Each of
 * these is a test in test/sink/s3-object.test.ts.
 */
import { setMaxListeners } from 'node:events';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { isAbsent, isTaken } from '../s3-failure.js';
import type { Sink } from '../stage.js';
import { MultipartUpload } from './multipart-upload.js';
import { PartSizes } from './part-sizes.js';
import { type Part, partsOf } from './parts.js';
import { type PatienceOptions, type Patiently, patience } from './patience.js';
import { type Condition, NEW, OLD_MS, SETTLE_MS, renewed } from './renewal.js';
import { Damaged, type Head, type S3Requests } from './s3-requests.js';
import { SentBytes } from './sent-bytes.js';
import type { Stored } from './stored.js';
import type { Traffic } from './traffic.js';

export interface S3ObjectOptions extends PatienceOptions {
  /** Size of the first parts; later ones grow with the object. */
  partBytes: number;
  /** Known before the first byte, or undefined. */
  bytes: number | undefined;
  /** From which age on an object that is there already is written again, and how long it is watched then. */
  oldMs?: number;
  settleMs?: number;
  /** Told when an upload could not be aborted: its parts stay until s3-clean finds them. */
  onLeft?: (url: string, error: unknown) => void;
}

/** Memory: the parts in flight, bounded by `traffic`. Rejects leaving nothing visible and, if S3 answers, no parts. */
export function s3Object(requests: S3Requests, traffic: Traffic, options: S3ObjectOptions): Sink<Uint8Array, Stored> {
  return async (input, signal) => {
    const writing = new Writing(requests, traffic, options, signal);
    try {
      return await writing.run(input);
    } catch (error) {
      await writing.abandon(error);
      throw error;
    }
  };
}

class Writing {
  private readonly sizes: PartSizes;
  private readonly stop = new AbortController();
  private readonly patiently: Patiently;
  private readonly sent: SentBytes;
  private readonly upload: MultipartUpload;
  /** The same object, as far as can be told before its bytes have come: they are only compared then. */
  private there: Head | undefined;
  /** What is there, but so old that it is written again. */
  private old: Head | undefined;

  constructor(
    private readonly requests: S3Requests,
    private readonly traffic: Traffic,
    private readonly options: S3ObjectOptions,
    outer: AbortSignal,
  ) {
    this.sizes = new PartSizes(options.partBytes, options.bytes);
    const { signal } = this.stop;
    // Each part in flight listens; there are never more than --concurrency of them.
    setMaxListeners(0, signal);
    const onAbort = (): void => this.stop.abort(outer.reason);
    if (outer.aborted) onAbort();
    outer.addEventListener('abort', onAbort, { once: true });
    signal.addEventListener('abort', () => outer.removeEventListener('abort', onAbort), { once: true });
    this.patiently = patience(requests.url, options, signal);
    this.sent = new SentBytes(requests, this.patiently, signal);
    this.upload = new MultipartUpload(requests, traffic, this.patiently, this.stop, options.retryMs);
  }

  async run(input: AsyncIterable<Uint8Array>): Promise<Stored> {
    try {
      for await (const part of partsOf(input, this.sent, this.sizes, this.traffic.buffers, this.stop.signal)) {
        const stored = await this.take(part);
        if (stored) return stored;
      }
      return this.there ? await this.sent.stored(this.there, { created: false }) : await this.finish();
    } finally {
      this.stop.abort();
    }
  }

  /** Ends what is in flight, then removes the parts; never throws. */
  async abandon(reason: unknown): Promise<void> {
    await this.upload.abandon(reason).catch((error: unknown) => this.left(error));
  }

  /** Resolves to what became of it when the part is the object. */
  private async take({ buffer, bytes, sum, last }: Part): Promise<Stored | undefined> {
    let sending = false;
    try {
      if (last) this.demandAnnounced();
      if (last && !this.there && !this.upload.begun) return await this.putWhole(buffer.subarray(0, bytes));
      if (!this.there && !this.upload.begun) await this.begin();
      if (!this.there) {
        this.upload.send(buffer, bytes, sum);
        sending = true;
      }
      return undefined;
    } finally {
      if (!sending) this.traffic.buffers.give(buffer);
    }
  }

  private demandAnnounced(): void {
    const { bytes } = this.options;
    const { count } = this.sent;
    if (bytes === undefined || bytes === count) return;
    throw new Failure('data', `${this.requests.url}: ${count} bytes came, ${bytes} were announced`);
  }

  /** Before the first part: is the object there already? Then its bytes are only compared, not sent. */
  private async begin(): Promise<void> {
    const found = await this.look();
    if (found && this.isOld(found)) this.old = found;
    else this.there = found;
    if (!this.there) await this.upload.begin();
  }

  private async putWhole(body: Buffer): Promise<Stored> {
    const write = (condition: Condition): Promise<unknown> => this.put(body, condition);
    await failpoint('s3-put.before-create');
    const refusal = await write(NEW);
    await failpoint('s3-put.after-complete');
    const head = await this.sent.found();
    const created = refusal === undefined;
    // Someone was first; after a lost answer that may have been we.
    const old = !created && this.isOld(head);
    return this.sent.stored(old ? await this.renew(head, write) : head, { created, refusal });
  }

  /** Resolves to the refusal when the name is taken. */
  private async put(body: Buffer, condition: Condition): Promise<unknown> {
    const { signal } = this.stop;
    const put = (): Promise<void> => this.requests.put(body, this.sent.sum, condition, signal);
    let refusal: unknown;
    await this.patiently(async () => {
      try {
        await this.traffic.slot(put, signal);
      } catch (error) {
        if (!isTaken(error) && (!isAbsent(error) || condition === NEW)) {
          throw error instanceof Damaged ? error : this.requests.failure(error, 'writing', 's3:PutObject');
        }
        refusal = error;
      }
    });
    return refusal;
  }

  private async finish(): Promise<Stored> {
    await this.upload.arrived();
    await failpoint('s3-put.before-complete');
    const write = (condition: Condition): Promise<unknown> => this.upload.complete(this.sent, condition);
    if (this.old) {
      const head = await this.renew(this.old, write);
      await failpoint('s3-put.after-complete');
      await this.removeParts();
      return this.sent.stored(head, { created: false });
    }
    const refusal = await write(NEW);
    await failpoint('s3-put.after-complete');
    const created = refusal === undefined;
    const stored = await this.sent.stored(await this.sent.found(), { created, refusal });
    // With someone else's equal object in place our parts are of no use.
    if (!created || this.upload.begunTwice) await this.removeParts();
    return stored;
  }

  private look(): Promise<Head | undefined> {
    return this.patiently(() => this.requests.head(this.stop.signal));
  }

  private isOld({ modified, seen }: Head): boolean {
    return seen - modified > (this.options.oldMs ?? OLD_MS);
  }

  /** Writes again what is there and old, so that nobody takes it for an orphan. */
  private renew(found: Head, write: (condition: Condition) => Promise<unknown>): Promise<Head> {
    return renewed(found, {
      url: this.requests.url,
      demandSame: (head) => this.sent.demandSame(head, { created: false }),
      write,
      look: () => this.look(),
      settleMs: this.options.settleMs ?? SETTLE_MS,
      signal: this.stop.signal,
    });
  }

  private async removeParts(): Promise<void> {
    await this.upload.remove().catch((error: unknown) => this.left(error));
  }

  private left(error: unknown): void {
    this.options.onLeft?.(this.requests.url, error);
  }
}
