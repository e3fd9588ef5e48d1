/**
 * Tells a long statement from a dead connection. A server that works says nothing, for hours if need be, and nothing
 * comes from behind a connection that a firewall forgot. So after a while of silence it is asked on another connection
 * what it does for ours (reference/reliability.md row 30).
 */
import { Failure } from '../errors.js';
import { pause } from '../retry.js';
import type { Backend, Doing } from './backend.js';

/** What is looked at of a socket. */
export interface Traffic {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
}

/** Milliseconds between two questions that must have the same answer: the last words may be on their way. */
const AGAIN_MS = 5_000;

const SAYS: Readonly<Record<Exclude<Doing, 'working'>, string>> = {
  waiting: 'the server waits for us meanwhile',
  new: 'the session is a new one',
  gone: 'the server has ended the session',
  unreachable: 'the server cannot be reached',
};

export class Silence {
  constructor(
    private readonly backend: Backend,
    /** Milliseconds without a byte after which the server is asked, and asked again after as many. */
    private readonly idleMs: number,
  ) {}

  /**
   * Watches a statement until the function it returns is called. `dead` is called at most once, when the connection is
   * found dead; what the session held on the server is released by then, if the server could be told.
   * @param ours true while the server has nothing to say because we have not said all
   */
  watch(traffic: Traffic, ours: () => boolean, dead: (failure: Failure) => void): () => void {
    const over = new AbortController();
    const moved = (): number => (traffic.bytesRead ?? 0) + (traffic.bytesWritten ?? 0);
    let [seen, since, asking] = [moved(), performance.now(), false];
    const timer = setInterval(
      () => {
        if (moved() !== seen || ours()) [seen, since] = [moved(), performance.now()];
        if (asking || performance.now() - since < this.idleMs) return;
        asking = true;
        void this.verdict(moved, over.signal).then((found) => {
          [asking, since] = [false, performance.now()];
          if (over.signal.aborted || found === 'working') return;
          clearInterval(timer);
          dead(this.failure(found));
        });
      },
      Math.max(5, Math.min(1_000, this.idleMs / 4)),
    );
    return () => {
      clearInterval(timer);
      over.abort();
    };
  }

  /** What the server does, asked twice. Anything that moved meanwhile is a sign of life. */
  private async verdict(moved: () => number, over: AbortSignal): Promise<Doing> {
    const seen = moved();
    const first = await this.backend.doing();
    if (first === 'working' || over.aborted) return 'working';
    await pause(Math.min(AGAIN_MS, this.idleMs), over).catch(() => {});
    const second = over.aborted ? 'working' : await this.backend.doing();
    if (second === 'working' || over.aborted || moved() !== seen) return 'working';
    if (second === 'waiting') await this.backend.end();
    return second;
  }

  private failure(found: Exclude<Doing, 'working'>): Failure {
    return new Failure(
      'temporary',
      `the connection is dead: nothing came for ${this.idleMs / 1000} s, and ${SAYS[found]}`,
      {
        hint: 'The ledger knows what was loaded.',
      },
    );
  }
}
