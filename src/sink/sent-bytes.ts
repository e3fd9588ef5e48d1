/** What was sent for one object, and the proof that the store has just that. */
import { Failure } from '../errors.js';
import { Sum, base64Of } from './checksums.js';
import type { Patiently } from './patience.js';
import type { Head, S3Requests } from './s3-requests.js';
import { type Stored, crcText, nameTaken } from './stored.js';

/** How the object under the name came to be there. */
export interface Origin {
  /** False when it may be of someone else, or of an earlier run. */
  created: boolean;
  /** Why the name could not be taken, if the store said so. */
  refusal?: unknown;
}

export class SentBytes {
  readonly sum = new Sum();
  count = 0;

  constructor(
    private readonly requests: S3Requests,
    private readonly patiently: Patiently,
    private readonly signal: AbortSignal,
  ) {}

  update(chunk: Uint8Array): void {
    this.sum.update(chunk);
    this.count += chunk.length;
  }

  /** What is under the name after it was written. */
  async found(): Promise<Head> {
    const head = await this.patiently(() => this.requests.head(this.signal));
    if (head) return head;
    throw new Failure('protocol', `${this.requests.url}: the store took the object and does not have it`);
  }

  /** The object under the name, once it is proved to be these bytes. */
  async stored(head: Head, origin: Origin): Promise<Stored> {
    await this.demandSame(head, origin);
    const { count: bytes, sum } = this;
    return { url: this.requests.url, bytes, etag: head.etag, crc32: crcText(sum.crc32), created: origin.created };
  }

  /** Throws when other bytes are under the name: 76 when they were sent by us, 73 when it was taken. */
  async demandSame(head: Head, { created, refusal }: Origin): Promise<void> {
    const { url } = this.requests;
    const differs = (what: string): Failure =>
      created
        ? new Failure('protocol', `${url}: the store has other bytes than were sent: ${what}`)
        : nameTaken(url, what, refusal instanceof Error ? refusal : undefined);
    if (head.bytes !== this.count) throw differs(`${head.bytes} bytes, not ${this.count}`);
    const { CRC32: theirs } = head.sums;
    // A store that keeps no CRC-32 is asked for the bytes, unless it has just checked them itself on their way in.
    const believed = created && this.requests.checked;
    const same = theirs === undefined ? believed || (await this.isReadBack()) : theirs === base64Of(this.sum.crc32);
    if (!same) throw differs('its checksum is another');
  }

  private async isReadBack(): Promise<boolean> {
    const sum = new Sum();
    for await (const chunk of this.requests.content(this.signal)) sum.update(chunk);
    return sum.crc32 === this.sum.crc32;
  }
}
