/** How many bytes a second go to the store, for all objects of one program. */
import { Readable } from 'node:stream';
import { pause } from '../retry.js';

/** How much of the time that went by unused may be made up for by sending faster. */
const CATCH_UP_MS = 100;

const SLICE_BYTES = 16 << 10;

export class Pace {
  /** When the bytes let through so far will have been sent, in milliseconds. */
  private paidUntil = 0;

  /** @param bytesPerSecond undefined = as fast as it goes */
  constructor(private readonly bytesPerSecond: number | undefined) {}

  /** True when there is a limit. */
  get kept(): boolean {
    return this.bytesPerSecond !== undefined;
  }

  /** Waits until `bytes` more may be sent. */
  async wait(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.bytesPerSecond === undefined) return;
    const now = performance.now();
    // A timer is late by a millisecond or more, which is many slices: what was not used is made up for, but not more
    // of it than a moment, so that a store that paused does not get a burst.
    const due = Math.max(this.paidUntil, now - CATCH_UP_MS);
    this.paidUntil = due + (bytes / this.bytesPerSecond) * 1000;
    if (due > now) await pause(due - now, signal);
  }

  /** The body of a request: the buffer itself, or a stream of it at the speed that was asked for. */
  body(buffer: Buffer, signal: AbortSignal): Buffer | Readable {
    return this.kept ? Readable.from(this.slices(buffer, signal), { objectMode: false }) : buffer;
  }

  private async *slices(buffer: Buffer, signal: AbortSignal): AsyncGenerator<Buffer> {
    for (let at = 0; at < buffer.length; at += SLICE_BYTES) {
      const slice = buffer.subarray(at, at + SLICE_BYTES);
      await this.wait(slice.length, signal);
      yield slice;
    }
  }
}
