/**
 * A store that tries again while the trouble may pass. A creation that is repeated may answer `exists` because an
 * earlier attempt got through and its answer was lost: whoever creates compares the bytes, as it must anyway.
 */
import { permanent, retry } from '../retry.js';
import type { Created, Page, WatermarkStore } from './store.js';

export interface Patience {
  /** How long one operation is tried again, in milliseconds. */
  patienceMs: number;
  /** The first pause, in milliseconds; tests make it short. */
  baseMs?: number;
  /** Told about each attempt that failed and is repeated. */
  onRetry?: (error: unknown) => void;
}

export class PatientStore implements WatermarkStore {
  readonly url: string;
  readonly paged: boolean;

  constructor(
    private readonly inner: WatermarkStore,
    private readonly patience: Patience,
  ) {
    this.url = inner.url;
    this.paged = inner.paged;
  }

  create(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<Created> {
    return this.patiently(signal, () => this.inner.create(key, bytes, signal));
  }
  read(key: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return this.patiently(signal, () => this.inner.read(key, signal));
  }
  replace(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    return this.patiently(signal, () => this.inner.replace(key, bytes, signal));
  }
  remove(key: string, signal: AbortSignal): Promise<void> {
    return this.patiently(signal, () => this.inner.remove(key, signal));
  }
  list(folder: string, after: string, signal: AbortSignal): Promise<Page> {
    return this.patiently(signal, () => this.inner.list(folder, after, signal));
  }
  folders(signal: AbortSignal): Promise<readonly string[]> {
    return this.patiently(signal, () => this.inner.folders(signal));
  }
  now(): number {
    return this.inner.now();
  }

  private patiently<T>(signal: AbortSignal, operation: () => Promise<T>): Promise<T> {
    const { patienceMs: budgetMs, ...rest } = this.patience;
    return retry(operation, {
      ...rest,
      budgetMs,
      signal,
      permanent,
    });
  }
}
