/**
 * An object that is found with the bytes that were to be written is taken for ours, and nothing is sent: unless it is
 * old. An old object that no generation names is an orphan to `s3-clean`, which may be about to remove it while this
 * run is about to have it committed. So an old one is written again before a receipt speaks of it, which makes it
 * young, and `s3-clean` never removes what is younger than its grace of a day:
 *
 * - `s3-clean` looks at the object right before it removes it, and tells the store to remove only what was last
 *   written at the moment it saw. Of the two, one comes first. Written first: the condition fails, the object stays.
 *   Removed first: `If-Match` fails here, and the object is made anew.
 * - A store that does not know that condition leaves a gap: looked at, written again, removed. `s3-clean` gives one
 *   removal {@link REMOVAL_MS}, from its look to the answer. Here the object is looked at once more after
 *   {@link SETTLE_MS}, when every removal that was decided before the writing is over.
 * - An object that is young when it is found stays young enough: between receipt and commit lie seconds, and between
 *   {@link OLD_MS} and the grace twelve hours.
 *
 * What remains: a process that is stopped for seconds between its look and its request, on a store without the
 * condition; and `s3-clean --force` with a grace of less than a day.
 */
import { Failure } from '../errors.js';
import { pause } from '../retry.js';

/** Found older than this, an object is written again: half the least grace of `s3-clean`. */
export const OLD_MS = 12 * 3_600_000;

/** How long one removal may take from the look at an object to the answer. */
export const REMOVAL_MS = 10_000;

/** How long after the writing an object has to be there still. */
export const SETTLE_MS = 12_000;

/** How often an object may vanish or change under the hands before the run gives up. */
const TRIES = 5;

/** What a write goes with: nothing may be there, or exactly this. */
export type Condition = { IfNoneMatch: '*' } | { IfMatch: string };

/** Nothing may be under the name. */
export const NEW: Condition = { IfNoneMatch: '*' };

export interface Found {
  etag: string;
  /** When it was last written, by the store's clock: milliseconds since 1970. */
  modified: number;
}

export interface RenewalSteps<H extends Found> {
  url: string;
  /** Throws when the object found is not the one that is to be written. */
  demandSame: (found: H) => Promise<void>;
  /** Resolves also when the condition did not hold. */
  write: (condition: Condition) => Promise<unknown>;
  look: () => Promise<H | undefined>;
  settleMs: number;
  signal: AbortSignal;
}

/** Makes an old object young, or a removed one anew; resolves to what is there in the end. 75 when it does not stay. */
export async function renewed<H extends Found>(old: H, steps: RenewalSteps<H>): Promise<H> {
  let found: H | undefined = old;
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (found) await steps.demandSame(found);
    if (found && found.modified > old.modified) return found;
    await steps.write(found ? { IfMatch: found.etag } : NEW);
    await pause(steps.settleMs, steps.signal);
    found = await steps.look();
  }
  throw new Failure('temporary', `${steps.url}: removed or changed by somebody else each time it was written`);
}
