/**
 * How long parts take. One connection of many can crawl while bytes still trickle through it, so that it is never
 * silent: a part on it is sent again on another connection (reference/reliability.md row 46). A line that is slow as a
 * whole must not be taken for one: each try of a part may take twice as long as the one before, and in the second half
 * of its patience a part takes what it takes.
 */
import { Failure } from '../errors.js';

/** So many times as long as the others, and at least so many milliseconds. */
const SLOWER = 4;
const LEAST_MS = 2_000;

/** Parts that are remembered, and how many are needed to judge by. */
const REMEMBERED = 16;
const NEEDED = 3;

/** What is smaller says nothing about the line. */
const TELLING_BYTES = 1 << 20;

/** One try of a part. */
export type Timed = <T>(send: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export class PartTimes {
  /** Milliseconds a byte of the last parts. */
  private readonly recent: number[] = [];

  /**
   * The tries of one part, one call each. A try that takes too long ends with 75, the others as they end.
   *
   * @param what names the part in that message
   * @param patienceMs for how long the part is tried again in all
   */
  triesOf(what: string, bytes: number, patienceMs: number, signal: AbortSignal): Timed {
    const started = performance.now();
    let tries = 0;
    return async (send) => {
      const allowedMs = this.allowedMs(bytes) * 2 ** tries;
      tries += 1;
      const begun = performance.now();
      const late = begun - started + allowedMs > patienceMs / 2;
      const sent = await (late ? send(signal) : within(what, allowedMs, send, signal));
      if (bytes >= TELLING_BYTES) this.recent.push((performance.now() - begun) / bytes);
      if (this.recent.length > REMEMBERED) this.recent.shift();
      return sent;
    };
  }

  private allowedMs(bytes: number): number {
    if (this.recent.length < NEEDED) return Number.POSITIVE_INFINITY;
    const median = this.recent.toSorted((a, b) => a - b)[this.recent.length >> 1] ?? 0;
    return Math.max(LEAST_MS, SLOWER * median * bytes);
  }
}

async function within<T>(
  what: string,
  limitMs: number,
  send: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const hurry = new AbortController();
  const stop = (): void => hurry.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const tooLate = new Failure(
    'temporary',
    `${what}: not there after ${Math.round(limitMs / 1000)} s, much later than others`,
  );
  const timer = setTimeout(() => hurry.abort(tooLate), limitMs);
  try {
    return await send(hurry.signal);
  } catch (error) {
    throw hurry.signal.reason === tooLate ? tooLate : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
