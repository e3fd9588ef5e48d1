/**
 * How much goes to the store at once, for all objects of one program: requests in flight, bytes in memory, bytes a
 * second. A store that says 503 gets half as many requests; every ten that succeed allow one more
 * (reference/reliability.md row 44).
 */
import { pause } from '../retry.js';

export interface TrafficOptions {
  /** Most requests in flight. */
  concurrency: number;
  /** Bytes of parts in memory, in flight or being filled; one part is always allowed. */
  memoryBytes: number;
  /** Undefined = as fast as it goes. */
  bytesPerSecond: number | undefined;
}

/** How much of the time that went by unused may be made up for by sending faster. */
const CATCH_UP_MS = 100;

/** How many successes allow one more request after a 503. */
const RECOVERY = 10;

export class Traffic {
  /** Requests allowed at once at the moment. */
  limit: number;
  /** Most requests that were in flight together. */
  peak = 0;
  private flying = 0;
  private successes = 0;
  private held = 0;
  /** When the bytes let through so far will have been sent, in milliseconds. */
  private paidUntil = 0;
  private readonly waiting: (() => boolean)[] = [];
  private readonly spare: Buffer[] = [];

  constructor(private readonly options: TrafficOptions) {
    this.limit = options.concurrency;
  }

  /** A buffer for one part, once there is room for it. Given back with {@link release}. */
  async buffer(bytes: number, signal: AbortSignal): Promise<Buffer> {
    await this.turn(() => {
      if (this.held > 0 && this.held + bytes > this.options.memoryBytes) return false;
      this.held += bytes;
      return true;
    }, signal);
    // Buffers of equal parts are used again: new ones would be zeroed pages and garbage each time.
    const at = this.spare.findIndex((one) => one.length === bytes);
    return at < 0 ? Buffer.allocUnsafeSlow(bytes) : (this.spare.splice(at, 1)[0] as Buffer);
  }

  release(buffer: Buffer): void {
    this.held -= buffer.length;
    if (this.spare.length < this.options.concurrency && buffer.length >= SPARE_BYTES) this.spare.push(buffer);
    this.wake();
  }

  /** Runs one request when there is a slot for it. */
  async slot<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.turn(() => {
      if (this.flying >= this.limit) return false;
      this.flying += 1;
      this.peak = Math.max(this.peak, this.flying);
      return true;
    }, signal);
    try {
      const result = await request();
      this.succeeded();
      return result;
    } finally {
      this.flying -= 1;
      this.wake();
    }
  }

  /** The store asked for less. */
  throttled(): void {
    this.limit = Math.max(1, Math.floor(this.limit / 2));
    this.successes = 0;
  }

  /** Waits until `bytes` more may be sent. */
  async pace(bytes: number, signal: AbortSignal): Promise<void> {
    const { bytesPerSecond } = this.options;
    if (bytesPerSecond === undefined) return;
    const now = performance.now();
    // A timer is late by a millisecond or more, which is many slices: what was not used is made up for, but not more
    // of it than a moment, so that a store that paused does not get a burst.
    const due = Math.max(this.paidUntil, now - CATCH_UP_MS);
    this.paidUntil = due + (bytes / bytesPerSecond) * 1000;
    if (due > now) await pause(due - now, signal);
  }

  get paced(): boolean {
    return this.options.bytesPerSecond !== undefined;
  }

  private succeeded(): void {
    if (this.limit >= this.options.concurrency) return;
    this.successes += 1;
    if (this.successes < RECOVERY) return;
    this.successes = 0;
    this.limit += 1;
    this.wake();
  }

  /** Resolves once `take` took what it wants; those who asked first are tried first. */
  private turn(take: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      if (take()) return resolve();
      const waiter = (): boolean => {
        if (!take()) return false;
        signal.removeEventListener('abort', stop);
        resolve();
        return true;
      };
      const stop = (): void => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.waiting.push(waiter);
    });
  }

  private wake(): void {
    for (const waiter of [...this.waiting]) if (waiter()) this.waiting.splice(this.waiting.indexOf(waiter), 1);
  }
}

/** Smaller buffers cost less to make than to keep. */
const SPARE_BYTES = 1 << 20;
