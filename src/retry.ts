/** Retrying: one function with a time budget, full jitter, and the caller's own idea of what is permanent. */
import { Failure } from './errors.js';

/** True when the same thing would fail again: for anything but a Failure that calls itself temporary. */
export function permanent(error: unknown): boolean {
  return !(error instanceof Failure && error.kind === 'temporary');
}

export interface RetryOptions {
  /** Milliseconds after which no further attempt is started. */
  budgetMs: number;
  /** Most attempts, the first included. */
  attempts?: number;
  /** First and largest pause, in milliseconds; the pause is a random part of a doubling bound. */
  baseMs?: number;
  capMs?: number;
  /** True when trying again cannot help. */
  permanent: (error: unknown) => boolean;
  onRetry?: (error: unknown, attempt: number, pauseMs: number) => void;
  signal: AbortSignal;
  /** Time and chance, for tests. */
  now?: () => number;
  random?: () => number;
}

/**
 * Calls `operation` until it succeeds, fails for good, or the budget is spent; then throws its last error.
 * `operation` gets the attempt number, from 1. Nothing is retried once the signal has fired.
 */
export async function retry<T>(operation: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { budgetMs, attempts = Number.POSITIVE_INFINITY, baseMs = 50, capMs = 20_000, signal } = options;
  // A clock that is set in between neither ends a budget nor stretches it.
  const now = options.now ?? (() => performance.now());
  const random = options.random ?? Math.random;
  const started = now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operation(attempt);
    } catch (error) {
      const pauseMs = Math.ceil(random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)));
      const spent = now() - started + pauseMs > budgetMs;
      if (signal.aborted || options.permanent(error) || attempt >= attempts || spent) throw error;
      options.onRetry?.(error, attempt, pauseMs);
      await pause(pauseMs, signal);
    }
  }
}

/** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
