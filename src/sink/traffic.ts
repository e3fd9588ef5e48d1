/**
 * How much goes to the store at once, for all objects of one program: requests in flight, parts in memory, bytes a
 * second. A store that says 503 gets half as many requests; every ten that succeed allow one more
 * (reference/reliability.md row 44).
 */
import { Pace } from './pace.js';
import { PartBuffers } from './part-buffers.js';
import { PartTimes, type Timed } from './part-times.js';
import { Turns } from './turns.js';

export interface TrafficOptions {
  /** Most requests in flight. One part more than that is in memory: the one that is being filled. */
  concurrency: number;
  /** Size of the parts as they begin. */
  partBytes: number;
  /** Undefined = as fast as it goes. */
  bytesPerSecond: number | undefined;
}

/** How many successes allow one more request after a 503. */
const RECOVERY = 10;

export class Traffic {
  readonly buffers: PartBuffers;
  readonly pace: Pace;
  /** Requests allowed at once at the moment. */
  limit: number;
  /** Most requests that were in flight together. */
  peak = 0;
  private readonly times = new PartTimes();
  private readonly turns = new Turns();
  private readonly concurrency: number;
  private flying = 0;
  private successes = 0;

  constructor({ concurrency, partBytes, bytesPerSecond }: TrafficOptions) {
    this.buffers = new PartBuffers(concurrency + 1, partBytes);
    this.pace = new Pace(bytesPerSecond);
    this.concurrency = concurrency;
    this.limit = concurrency;
  }

  /** Runs one request when there is a slot for it. */
  async slot<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.turns.turn(() => {
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
      this.turns.wake();
    }
  }

  /** The tries of one part, each watched for being much slower than others: see {@link PartTimes.triesOf}. */
  partTries(what: string, bytes: number, patienceMs: number, signal: AbortSignal): Timed {
    // With a limit of our own a part takes as long as the parts beside it let it.
    return this.pace.kept ? (send) => send(signal) : this.times.triesOf(what, bytes, patienceMs, signal);
  }

  /** The store asked for less. */
  throttled(): void {
    this.limit = Math.max(1, Math.floor(this.limit / 2));
    this.successes = 0;
  }

  private succeeded(): void {
    if (this.limit >= this.concurrency) return;
    this.successes += 1;
    if (this.successes < RECOVERY) return;
    this.successes = 0;
    this.limit += 1;
    this.turns.wake();
  }
}
