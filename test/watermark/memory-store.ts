/** A store in memory, and one that breaks on purpose around any store. */
import { createHash } from 'node:crypto';
import { Failure } from '../../src/errors.js';
import type { Created, Page, WatermarkStore } from '../../src/watermark/store.js';

export class MemoryStore implements WatermarkStore {
  readonly url = 'memory://';
  readonly files = new Map<string, Uint8Array>();
  requests = 0;

  constructor(
    readonly paged = true,
    readonly page = 1000,
  ) {}

  async create(key: string, bytes: Uint8Array): Promise<Created> {
    this.requests += 1;
    if (this.files.has(key)) return { outcome: 'exists' };
    this.files.set(key, bytes);
    return { outcome: 'created', etag: etagOf(bytes) };
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    this.requests += 1;
    return this.files.get(key);
  }

  async replace(key: string, bytes: Uint8Array): Promise<void> {
    this.requests += 1;
    this.files.set(key, bytes);
  }

  async remove(key: string): Promise<void> {
    this.requests += 1;
    this.files.delete(key);
  }

  async list(folder: string, after: string): Promise<Page> {
    this.requests += 1;
    const names = [...this.files.keys()]
      .filter((key) => key.startsWith(`${folder}/`))
      .map((key) => key.slice(folder.length + 1))
      .filter((name) => !name.includes('/') && name > after)
      .sort();
    const some = this.paged ? names.slice(0, this.page) : names;
    const entries = some.map((name) => {
      const bytes = this.files.get(`${folder}/${name}`) ?? Buffer.of();
      return { name, bytes: bytes.length, etag: etagOf(bytes) };
    });
    return { entries, more: some.length < names.length };
  }

  async folders(): Promise<readonly string[]> {
    this.requests += 1;
    return [...new Set([...this.files.keys()].map((key) => key.split('/')[0] ?? ''))].filter(
      (name) => !name.startsWith('_'),
    );
  }

  now(): number {
    return Date.now();
  }
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

/** A process that died: not a Failure, so nothing tries again or commits what is left. */
export class Crash extends Error {}

export interface Break {
  /** The call, counted from 1, at which it happens. */
  at: number;
  /** `crash-…`: the process dies before or after the effect. `lost`: the effect, and no answer. `fail`: neither. */
  how: 'crash-before' | 'crash-after' | 'lost' | 'fail';
}

/** Wraps a store as seen by one process; `breaks` says which of its calls go wrong, and how. */
export class BreakingStore implements WatermarkStore {
  calls = 0;
  /** How many breaks happened: a test asserts that its fault fired. */
  fired = 0;
  private dead = false;

  constructor(
    private readonly inner: WatermarkStore,
    private readonly breaks: readonly Break[],
    /** Waits for the process's turn before each call: how a test lets the calls of several interleave. */
    private readonly turn: () => Promise<void> = async () => {},
  ) {}

  get url(): string {
    return this.inner.url;
  }
  get paged(): boolean {
    return this.inner.paged;
  }
  create: WatermarkStore['create'] = (...args) => this.around(() => this.inner.create(...args));
  read: WatermarkStore['read'] = (...args) => this.around(() => this.inner.read(...args));
  replace: WatermarkStore['replace'] = (...args) => this.around(() => this.inner.replace(...args));
  remove: WatermarkStore['remove'] = (...args) => this.around(() => this.inner.remove(...args));
  list: WatermarkStore['list'] = (...args) => this.around(() => this.inner.list(...args));
  folders: WatermarkStore['folders'] = (...args) => this.around(() => this.inner.folders(...args));
  now(): number {
    return this.inner.now();
  }

  /** Also for other calls of the same process. */
  async around<T>(call: () => Promise<T>): Promise<T> {
    if (this.dead) throw new Crash('the process is dead');
    await this.turn();
    this.calls += 1;
    const found = this.breaks.find(({ at }) => at === this.calls);
    if (!found) return call();
    this.fired += 1;
    if (found.how === 'fail') throw new Failure('temporary', 'no answer');
    this.dead = found.how.startsWith('crash');
    if (found.how !== 'crash-before') await call();
    throw this.dead ? new Crash(found.how) : new Failure('temporary', 'the answer was lost');
  }
}
