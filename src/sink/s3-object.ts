/**
 * One S3 object from a stream of bytes: complete, checked and visible, or absent. It appears with the last request
 * only, and only if nothing is under its name; the same bytes under that name are taken for ours, and written again
 * when they are so old that they may be cleaned away (renewal.ts).
 *
 * @aws-sdk/lib-storage is not used: its abort() leaves the parts behind when the body is idle, it has no budget for
 * retries, it does not look when the answer to Complete is lost, and its 10,000 parts are all of one size. Each of
 * these is a test in test/sink/s3-object.test.ts.
 */
import type { CompletedPart } from '@aws-sdk/client-s3';
import { setMaxListeners } from 'node:events';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { retry } from '../retry.js';
import { httpStatus, isAbsent, isDamaged, isTaken } from '../s3-failure.js';
import { type Sink, interruptible } from '../stage.js';
import { Sum, base64Of } from './checksums.js';
import { PartSizes } from './part-sizes.js';
import { type Condition, OLD_MS, SETTLE_MS, renewed } from './renewal.js';
import { Damaged, type Head, type S3Requests } from './s3-requests.js';
import { type Stored, crcText, nameTaken } from './stored.js';
import type { Traffic } from './traffic.js';

export interface S3ObjectOptions {
  /** Size of the first parts; later ones grow with the object. */
  partBytes: number;
  /** Known before the first byte, or undefined. */
  bytes: number | undefined;
  /** How long one request is tried again, in milliseconds. */
  retryMs: number;
  /** From which age on an object that is there already is written again, and how long it is watched then. */
  oldMs?: number;
  settleMs?: number;
  onRetry?: (error: unknown) => void;
  /** Told when an upload could not be aborted: its parts stay until s3-clean finds them. */
  onLeft?: (url: string, error: unknown) => void;
}

/** How long an abort may take in all. */
const ABORT_MS = 4_000;

/** How often a damaged request is sent again. */
const DAMAGED_TRIES = 3;

/** Memory: the parts in flight, bounded by `traffic`. Rejects leaving nothing visible and, if S3 answers, no parts. */
export function s3Object(requests: S3Requests, traffic: Traffic, options: S3ObjectOptions): Sink<Uint8Array, Stored> {
  return async (input, signal) => {
    const upload = new Upload(requests, traffic, options, signal);
    try {
      return await upload.run(input);
    } catch (error) {
      await upload.abandon(error);
      throw error;
    }
  };
}

class Upload {
  private readonly whole = new Sum();
  private readonly sizes: PartSizes;
  private readonly stop = new AbortController();
  private readonly parts: Promise<CompletedPart>[] = [];
  private bytes = 0;
  private uploadId: string | undefined;
  /** Undefined while nothing is known to be under the name. */
  private there: Head | undefined;
  /** What is there, but so old that it is written again. */
  private old: Head | undefined;
  private failed: unknown;
  /** How often an upload was begun; more than once when an answer was lost, or refused. */
  private creations = 0;

  constructor(
    private readonly requests: S3Requests,
    private readonly traffic: Traffic,
    private readonly options: S3ObjectOptions,
    outer: AbortSignal,
  ) {
    this.sizes = new PartSizes(options.partBytes, options.bytes);
    // Each part in flight listens; there are never more than --concurrency of them.
    setMaxListeners(0, this.stop.signal);
    const onAbort = (): void => this.stop.abort(outer.reason);
    if (outer.aborted) onAbort();
    outer.addEventListener('abort', onAbort, { once: true });
    this.stop.signal.addEventListener('abort', () => outer.removeEventListener('abort', onAbort), { once: true });
  }

  async run(input: AsyncIterable<Uint8Array>): Promise<Stored> {
    const { signal } = this.stop;
    let buffer = await this.traffic.buffer(this.sizes.next(), signal);
    let filled = 0;
    try {
      for await (const chunk of interruptible(input, signal)) {
        this.whole.update(chunk);
        this.bytes += chunk.length;
        for (let at = 0; at < chunk.length; ) {
          if (filled === buffer.length) {
            const full = buffer;
            buffer = EMPTY;
            await this.send(full, filled);
            buffer = await this.traffic.buffer(this.sizes.next(), signal);
            filled = 0;
          }
          const taken = Math.min(chunk.length - at, buffer.length - filled);
          buffer.set(chunk.subarray(at, at + taken), filled);
          filled += taken;
          at += taken;
        }
      }
      if (this.options.bytes !== undefined && this.bytes !== this.options.bytes)
        throw new Failure(
          'data',
          `${this.requests.url}: ${this.bytes} bytes came, ${this.options.bytes} were announced`,
        );
      if (this.there) return await this.settled(this.there);
      if (this.uploadId === undefined) return await this.putWhole(buffer.subarray(0, filled));
      if (filled > 0) {
        const full = buffer;
        buffer = EMPTY;
        await this.send(full, filled);
      }
      return await this.finish();
    } finally {
      if (buffer !== EMPTY) this.traffic.release(buffer);
      this.stop.abort();
    }
  }

  /** Ends what is in flight, then removes the parts; never throws. */
  async abandon(reason: unknown): Promise<void> {
    this.stop.abort(reason);
    await Promise.allSettled(this.parts);
    await this.removeParts();
  }

  /**
   * An upload whose beginning was answered to nobody is found by its name. That may be an upload of someone else with
   * the same name: once the object is there, it could not complete it any more; before, it has to begin again.
   */
  private async removeParts(): Promise<void> {
    const signal = AbortSignal.timeout(ABORT_MS);
    const patient = { budgetMs: ABORT_MS, signal, capMs: 500, permanent };
    try {
      const known = this.uploadId === undefined ? [] : [this.uploadId];
      const lost = this.creations > known.length;
      const found = lost ? await retry(() => this.requests.uploads(signal), patient) : [];
      for (const id of new Set([...known, ...found])) await retry(() => this.requests.abort(id, signal), patient);
    } catch (error) {
      this.options.onLeft?.(this.requests.url, error);
    }
  }

  /** Hands one part to the store and returns as soon as it is on its way; gives the buffer back in the end. */
  private async send(buffer: Buffer, filled: number): Promise<void> {
    if (this.failed !== undefined) throw this.failed;
    const number = this.parts.length + 1;
    if (number === 1) await this.begin(buffer);
    const { uploadId } = this;
    if (uploadId === undefined) return this.traffic.release(buffer);
    const body = buffer.subarray(0, filled);
    const sum = new Sum().update(body);
    const part = this.patiently(() =>
      this.traffic.slot(() => this.requests.part(uploadId, number, body, sum, this.stop.signal), this.stop.signal),
    )
      .then(async (done) => {
        await failpoint('s3-put.after-part');
        return done;
      })
      .finally(() => this.traffic.release(buffer));
    // The failure of one part ends the others and the filling of the next.
    part.catch((error: unknown) => {
      this.failed ??= error;
      this.stop.abort(error);
    });
    this.parts.push(part);
  }

  /** Before the first part: is the object there already? Then its bytes are only compared, not sent. */
  private async begin(buffer: Buffer): Promise<void> {
    try {
      const found = await this.patiently(() => this.requests.head(this.stop.signal));
      if (found && this.isOld(found)) this.old = found;
      else this.there = found;
      if (this.there) return;
      await failpoint('s3-put.before-create');
      this.uploadId = await this.patiently(() => {
        this.creations += 1;
        return this.requests.create(this.stop.signal);
      });
    } catch (error) {
      this.traffic.release(buffer);
      throw error;
    }
  }

  private async putWhole(body: Buffer): Promise<Stored> {
    await failpoint('s3-put.before-create');
    const write = (condition: Condition): Promise<unknown> => this.put(body, condition);
    const taken = await write(NEW);
    await failpoint('s3-put.after-complete');
    const head = await this.confirmed();
    // Someone was first; after a lost answer that may have been we.
    if (taken === undefined || !this.isOld(head)) return this.settled(head, taken);
    return this.settled(await this.renew(head, write), taken);
  }

  /** Resolves to the refusal when the name is taken. */
  private async put(body: Buffer, condition: Condition): Promise<unknown> {
    const { signal } = this.stop;
    let refusal: unknown;
    await this.patiently(async () => {
      try {
        await this.traffic.slot(() => this.requests.put(body, this.whole, condition, signal), signal);
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
    const parts = await Promise.all(this.parts);
    await failpoint('s3-put.before-complete');
    const write = (condition: Condition): Promise<unknown> => this.patiently(() => this.complete(parts, condition));
    if (this.old) {
      const head = await this.renew(this.old, write);
      await failpoint('s3-put.after-complete');
      await this.removeParts();
      return this.settled(head, this.old);
    }
    const taken = await write(NEW);
    await failpoint('s3-put.after-complete');
    const stored = await this.settled(await this.confirmed(), taken);
    // With someone else's equal object in place our parts are of no use.
    if (taken !== undefined || this.creations > 1) await this.removeParts();
    return stored;
  }

  /** Resolves to the refusal when the name is taken. A lost answer is settled by looking at what is there. */
  private async complete(parts: CompletedPart[], condition: Condition): Promise<unknown> {
    const { requests, uploadId = '' } = this;
    const { signal } = this.stop;
    try {
      await this.traffic.slot(
        () => requests.complete(uploadId, parts, this.bytes, this.whole, condition, signal),
        signal,
      );
      return undefined;
    } catch (error) {
      if (isTaken(error) || (isAbsent(error) && condition !== NEW)) return error;
      if (isDamaged(error)) throw new Damaged(error);
      const status = httpStatus(error);
      const unknown = status === undefined || status >= 500 || status === 404 || status === 409 || status === 200;
      if (unknown && !signal.aborted && (await requests.head(signal))) return error;
      if (isAbsent(error)) {
        throw new Failure('temporary', `${requests.url}: the store lost the upload before it was complete`, {
          cause: error,
        });
      }
      throw requests.failure(error, 'completing', 's3:PutObject');
    }
  }

  private isOld({ modified, seen }: Head): boolean {
    return seen - modified > (this.options.oldMs ?? OLD_MS);
  }

  /** Writes again what is there and old, so that nobody takes it for an orphan. */
  private renew(found: Head, write: (condition: Condition) => Promise<unknown>): Promise<Head> {
    return renewed(found, {
      url: this.requests.url,
      demandSame: async (head) => this.demandSame(head, false, found),
      write,
      look: () => this.patiently(() => this.requests.head(this.stop.signal)),
      settleMs: this.options.settleMs ?? SETTLE_MS,
      signal: this.stop.signal,
    });
  }

  /** What is under the name after it was written. */
  private async confirmed(): Promise<Head> {
    const head = await this.patiently(() => this.requests.head(this.stop.signal));
    if (head) return head;
    throw new Failure('protocol', `${this.requests.url}: the store took the object and does not have it`);
  }

  /** Proves that what is under the name is what came in. */
  private async settled(head: Head, taken?: unknown): Promise<Stored> {
    const created = this.there === undefined && taken === undefined;
    await this.demandSame(head, created, taken);
    return { url: this.requests.url, bytes: this.bytes, etag: head.etag, crc32: crcText(this.whole.crc32), created };
  }

  private async demandSame(head: Head, created: boolean, taken?: unknown): Promise<void> {
    const { url } = this.requests;
    const differs = (what: string): Failure =>
      created
        ? new Failure('protocol', `${url}: the store has other bytes than were sent: ${what}`)
        : nameTaken(url, what, taken instanceof Error ? taken : undefined);
    if (head.bytes !== this.bytes) throw differs(`${head.bytes} bytes, not ${this.bytes}`);
    const { CRC32: theirs } = head.sums;
    const ours = base64Of(this.whole.crc32);
    // A store that keeps no CRC-32 is asked for the bytes, unless it has just checked them itself on their way in.
    const believed = created && this.requests.checked;
    if (theirs !== undefined ? theirs !== ours : !believed && (await this.readBack()) !== this.whole.crc32) {
      throw differs('its checksum is another');
    }
  }

  private async readBack(): Promise<number> {
    const sum = new Sum();
    for await (const chunk of this.requests.content(this.stop.signal)) sum.update(chunk);
    return sum.crc32;
  }

  private patiently<T>(operation: () => Promise<T>): Promise<T> {
    const { retryMs: budgetMs, onRetry } = this.options;
    let damaged = 0;
    return retry(
      async () => {
        try {
          return await operation();
        } catch (error) {
          if (!(error instanceof Damaged)) throw error;
          damaged += 1;
          const kind = damaged < DAMAGED_TRIES ? 'temporary' : 'protocol';
          throw new Failure(kind, `${this.requests.url}: the store received other bytes than were sent`, {
            cause: error.cause,
          });
        }
      },
      { budgetMs, signal: this.stop.signal, permanent, ...(onRetry ? { onRetry } : {}) },
    );
  }
}

const EMPTY = Buffer.alloc(0);

/** Nothing may be under the name. */
const NEW: Condition = { IfNoneMatch: '*' };

function permanent(error: unknown): boolean {
  return !(error instanceof Failure && error.kind === 'temporary');
}
