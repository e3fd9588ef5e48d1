/** The parts of one object on their way to the store. They become visible with {@link MultipartUpload.complete} only. */
import type { CompletedPart } from '@aws-sdk/client-s3';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { permanent, retry } from '../retry.js';
import { httpStatus, isAbsent, isDamaged, isTaken } from '../s3-failure.js';
import type { Sum } from './checksums.js';
import type { Patiently } from './patience.js';
import { type Condition, NEW } from './renewal.js';
import { Damaged, type S3Requests } from './s3-requests.js';
import type { SentBytes } from './sent-bytes.js';
import type { Traffic } from './traffic.js';

/** How long the removal of parts may take in all. */
const REMOVAL_MS = 4_000;

export class MultipartUpload {
  private readonly parts: Promise<CompletedPart>[] = [];
  private id: string | undefined;
  private failed: unknown;
  /** How often it was begun; more than once when an answer was lost, or refused. */
  private creations = 0;

  /**
   * @param stop fired by the failure of one part, which ends the others and the filling of the next
   * @param retryMs how long a part is tried again
   */
  constructor(
    private readonly requests: S3Requests,
    private readonly traffic: Traffic,
    private readonly patiently: Patiently,
    private readonly stop: AbortController,
    private readonly retryMs: number,
  ) {}

  get begun(): boolean {
    return this.id !== undefined;
  }

  /** True when answers were lost: the store may have uploads of this object that nobody knows the id of. */
  get begunTwice(): boolean {
    return this.creations > 1;
  }

  async begin(): Promise<void> {
    await failpoint('s3-put.before-create');
    this.id = await this.patiently(() => {
      this.creations += 1;
      return this.requests.create(this.stop.signal);
    });
  }

  /** Puts one part on its way, and gives the buffer back in the end. */
  send(buffer: Buffer, bytes: number, sum: Sum): void {
    const part = this.sent(buffer.subarray(0, bytes), sum, this.parts.length + 1).finally(() =>
      this.traffic.buffers.give(buffer),
    );
    part.catch((error: unknown) => {
      this.failed ??= error;
      this.stop.abort(error);
    });
    this.parts.push(part);
  }

  /** Resolves once the store has taken every part. */
  async arrived(): Promise<CompletedPart[]> {
    return Promise.all(this.parts);
  }

  /** Makes the object of the parts, if the condition holds; resolves to the refusal when the name is taken. */
  async complete(whole: SentBytes, condition: Condition): Promise<unknown> {
    const parts = await this.arrived();
    return this.patiently(() => this.completed(parts, whole, condition));
  }

  /** Ends what is in flight, then removes the parts. Takes four seconds at most; rejects when some may be left. */
  async abandon(reason: unknown): Promise<void> {
    this.stop.abort(reason);
    await Promise.allSettled(this.parts);
    await this.remove();
  }

  /**
   * Removes the parts that are in the store. An upload whose beginning was answered to nobody is found by its name.
   * That may be an upload of someone else with the same name: once the object is there, it could not complete it any
   * more; before, it has to begin again.
   */
  async remove(): Promise<void> {
    const signal = AbortSignal.timeout(REMOVAL_MS);
    const patient = { budgetMs: REMOVAL_MS, signal, capMs: 500, permanent };
    const known = this.id === undefined ? [] : [this.id];
    const lost = this.creations > known.length;
    const found = lost ? await retry(() => this.requests.uploads(signal), patient) : [];
    for (const id of new Set([...known, ...found])) await retry(() => this.requests.abort(id, signal), patient);
  }

  private async sent(body: Buffer, sum: Sum, number: number): Promise<CompletedPart> {
    if (this.failed !== undefined) throw this.failed;
    const { requests, id = '' } = this;
    const { signal } = this.stop;
    const timed = this.traffic.partTries(`part ${number} of ${requests.url}`, body.length, this.retryMs, signal);
    const send = (): Promise<CompletedPart> => timed((within) => requests.part(id, number, body, sum, within));
    const part = await this.patiently(() => this.traffic.slot(send, signal));
    await failpoint('s3-put.after-part');
    return part;
  }

  /** A lost answer is settled by looking at what is there. */
  private async completed(parts: CompletedPart[], whole: SentBytes, condition: Condition): Promise<unknown> {
    const { requests, id = '' } = this;
    const { signal } = this.stop;
    try {
      await this.traffic.slot(() => requests.complete(id, parts, whole.count, whole.sum, condition, signal), signal);
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
}
