/**
 * A lease on a table: saves a second run its wasted work. Correctness never depends on it; the chain's own
 * create-only numbers decide. It is made of the same operation: each acquisition, heartbeat and release creates
 * the next number, and whoever creates it first has it. Expiry is told by the store's clock.
 */
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { pause } from '../retry.js';
import { randomId } from './generation.js';
import { type WatermarkStore, generationName, generationOfName, tableFolder } from './store.js';
import type { Newest } from './tail.js';

export interface Lease {
  format: 'tablepipe.lease/1';
  table: string;
  /** Rises with every change of the lease: a fencing token. */
  number: number;
  /** Secret of the holder: who knows it may renew and release. */
  token: string;
  owner: string;
  acquired_at: string;
  expires_at: string;
  released: boolean;
}

export interface LeaseRequest {
  owner: string;
  /** How long the lease lasts without a heartbeat, in milliseconds. */
  ttlMs: number;
  /** How long to wait for another holder, in milliseconds; 0 = not at all. */
  waitMs: number;
}

const POLL_MS = 500;

export class Leases {
  private readonly folder: string;

  constructor(
    private readonly store: WatermarkStore,
    private readonly table: string,
    private readonly signal: AbortSignal,
  ) {
    this.folder = `${tableFolder(table)}/_lease`;
  }

  /** The newest lease, also an expired or released one; undefined when there never was one. */
  async newest(): Promise<Lease | undefined> {
    const found = await this.newestFile();
    return found && parseLease(found.bytes, this.table);
  }

  private async newestFile(): Promise<Newest | undefined> {
    for (;;) {
      let last: string | undefined;
      for (const { name } of (await this.store.list(this.folder, '', this.signal)).entries) {
        if (generationOfName(name) !== undefined) last = name;
      }
      if (last === undefined) return undefined;
      const bytes = await this.store.read(`${this.folder}/${last}`, this.signal);
      if (bytes) return { generation: generationOfName(last) ?? 0, bytes };
    }
  }

  /** True when somebody holds the lease at this moment of the store's clock. */
  isHeld(lease: Lease | undefined): lease is Lease {
    return lease !== undefined && !lease.released && Date.parse(lease.expires_at) > this.store.now();
  }

  /** Takes the lease; 80, naming the holder, when it stays taken for `waitMs`. */
  async acquire({ owner, ttlMs, waitMs }: LeaseRequest): Promise<Lease> {
    const until = performance.now() + waitMs;
    const token = randomId();
    for (;;) {
      const before = await this.newest();
      if (!this.isHeld(before)) {
        const acquired_at = this.time(0);
        const taken = await this.next(before, {
          owner,
          token,
          acquired_at,
          expires_at: this.time(ttlMs),
          released: false,
        });
        if (taken) {
          await failpoint('wm.lease.acquired');
          return taken;
        }
      } else if (performance.now() >= until) throw held(before);
      await pause(Math.random() * POLL_MS, this.signal);
    }
  }

  /** Prolongs a lease; 80 when somebody took it over after it had expired. */
  async renew(lease: Lease, ttlMs: number): Promise<Lease> {
    const renewed = await this.next(lease, { ...lease, expires_at: this.time(ttlMs), released: false });
    if (renewed) return renewed;
    throw new Failure('conflict', `the lease on ${this.table} expired and was taken by someone else`, {
      hint: 'This machine was stopped or cut off for longer than the lease lasts; see --ttl.',
    });
  }

  /** Gives a lease back; resolves to false when it was somebody else's by then. */
  async release(lease: Lease): Promise<boolean> {
    return (await this.next(lease, { ...lease, released: true })) !== undefined;
  }

  /** Ends whatever lease there is, also one that cannot be read; resolves to false when there is none, or it changed hands meanwhile. */
  async clear(owner: string): Promise<boolean> {
    const found = await this.newestFile();
    if (!found || this.isFree(found)) return false;
    const now = this.time(0);
    const rest = { owner, token: randomId(), acquired_at: now, expires_at: now, released: true };
    return (await this.next({ number: found.generation }, rest)) !== undefined;
  }

  private isFree({ bytes }: Newest): boolean {
    try {
      return !this.isHeld(parseLease(bytes, this.table));
    } catch {
      return false;
    }
  }

  private async next(
    before: Pick<Lease, 'number'> | undefined,
    rest: Omit<Lease, 'format' | 'table' | 'number'>,
  ): Promise<Lease | undefined> {
    const number = (before?.number ?? 0) + 1;
    const lease: Lease = { ...rest, format: 'tablepipe.lease/1', table: this.table, number };
    const bytes = Buffer.from(`${JSON.stringify(lease)}\n`);
    const key = `${this.folder}/${generationName(number)}`;
    const outcome = await this.store.create(key, bytes, this.signal).catch((error: unknown) => {
      if (error instanceof Failure && error.kind === 'temporary') return { outcome: 'exists' as const };
      throw error;
    });
    // "It exists", or an answer that was lost: the bytes tell whose it is.
    if (outcome.outcome === 'exists') {
      const there = await this.store.read(key, this.signal);
      if (!there || !bytes.equals(there)) return undefined;
    }
    return (await this.tidy(number)) ? lease : undefined;
  }

  /** Removes older numbers; false when a newer one exists, since then ours was a number used before. */
  private async tidy(number: number): Promise<boolean> {
    for (const { name } of (await this.store.list(this.folder, '', this.signal)).entries) {
      const found = generationOfName(name) ?? number;
      if (found > number) return false;
      if (found < number) await this.store.remove(`${this.folder}/${name}`, this.signal);
    }
    return true;
  }

  private time(inMs: number): string {
    return new Date(this.store.now() + inMs).toISOString();
  }
}

function parseLease(bytes: Uint8Array, table: string): Lease {
  let lease: Partial<Lease> = {};
  try {
    lease = JSON.parse(Buffer.from(bytes).toString('utf8')) as Lease;
  } catch {
    // Reported below.
  }
  if (lease?.format === 'tablepipe.lease/1' && Number.isSafeInteger(lease.number)) return lease as Lease;
  const newer = String(lease?.format).startsWith('tablepipe.lease/');
  throw new Failure(newer ? 'config' : 'data', `the lease on ${table} cannot be read`, {
    hint: newer
      ? `Its format is ${lease.format}: upgrade tablepipe on this machine.`
      : `End it with \`wm unlock ${table} --force\`.`,
  });
}

/** The failure for a lease somebody else holds. */
export function held(lease: Lease): Failure {
  const hint = `Wait for it, or if it is dead: \`wm unlock ${lease.table} --force\`.`;
  return new Failure('conflict', `${lease.table} is locked by ${lease.owner} until ${lease.expires_at}`, { hint });
}
