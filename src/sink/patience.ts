/** One request of an object, sent again until it succeeds, is refused for good, or its time is over. */
import { Failure } from '../errors.js';
import { permanent, retry } from '../retry.js';
import { Damaged } from './s3-requests.js';

/** Calls an operation again while its failure is a temporary one. */
export type Patiently = <T>(operation: () => Promise<T>) => Promise<T>;

export interface PatienceOptions {
  /** How long one request is tried again, in milliseconds. */
  retryMs: number;
  onRetry?: (error: unknown) => void;
}

/** How often a damaged request is sent again: damage that repeats is not the network's. */
const DAMAGED_TRIES = 3;

export function patience(url: string, { retryMs, onRetry }: PatienceOptions, signal: AbortSignal): Patiently {
  return (operation) => {
    let damaged = 0;
    const undamaged = async () => {
      try {
        return await operation();
      } catch (error) {
        if (!(error instanceof Damaged)) throw error;
        damaged += 1;
        const kind = damaged < DAMAGED_TRIES ? 'temporary' : 'protocol';
        throw new Failure(kind, `${url}: the store received other bytes than were sent`, { cause: error.cause });
      }
    };
    return retry(undamaged, { budgetMs: retryMs, signal, permanent, ...(onRetry ? { onRetry } : {}) });
  };
}
