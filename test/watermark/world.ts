/**
 * A table's watermark as a few numbers, without chains, folds or stores: what each generation must make of them, told a
 * second time. Beside it the real chain, the objects in the lake, the lease, and a clock that can be moved.
 */
import { FORMAT, type Generation, parseGeneration, sha256 } from '../../src/watermark/generation.js';
import { audit } from '../../src/watermark/audit.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import type { Objects } from '../../src/watermark/objects.js';
import { PatientStore } from '../../src/watermark/patient-store.js';
import { type WatermarkStore, generationName } from '../../src/watermark/store.js';
import { Failure } from '../../src/errors.js';
import type { Receipt } from '../../src/receipt.js';
import { retry } from '../../src/retry.js';
import type { BreakingStore } from './memory-store.js';
import { MemoryStore } from './memory-store.js';
import { ROWS, positionAt } from './receipts.js';

export const TABLE = 'shop.orders';

/** Where the table stands. Positions are integers, 0 for the start; each object takes one further. */
export interface Known {
  at: number;
  extracted: number;
  loadedRows: number;
  /** Stored and not loaded, in order. */
  pending: readonly { url: string; generation: number }[];
  backfill: { to: number; until: number; done: boolean } | null;
}

export const NOTHING: Known = { at: 0, extracted: 0, loadedRows: 0, pending: [], backfill: null };

export class World {
  store = new ClockedStore();
  known: Known = NOTHING;
  newest = 0;
  /** The kind of the newest generation, and where it moved to. */
  last: { kind: Generation['kind']; to: number } | undefined;
  /** What each generation that can be restored said. */
  readonly past = new Map<number, Known>();
  /** Generations that are in the warehouse. */
  readonly loaded = new Set<number>();
  /** Every object that was uploaded, committed or not. */
  readonly lake = new Map<string, Receipt>();
  /** Which objects each run committed, also where a force-reset moved it aside. */
  readonly committed = new Map<string, string[]>();
  lease: { token: string; until: number } | undefined;
  /** The lines of the last advance; empty after a move by hand. */
  lastLines = '';
  runs = 0;

  chain(store: WatermarkStore = this.store): Chain {
    const patient = new PatientStore(store, { patienceMs: 2_000, baseMs: 1 });
    return openChain(patient, TABLE, { by: 'test', signal: new AbortController().signal });
  }

  upload(receipts: readonly Receipt[]): readonly Receipt[] {
    for (const receipt of receipts) this.lake.set(receipt.url, receipt);
    return receipts;
  }

  /** The lake as a process sees it whose calls go wrong together with those to the store. */
  objects(broken?: BreakingStore): Objects {
    const io = async <T>(call: () => T): Promise<T> => {
      const asked = async (): Promise<T> => call();
      if (!broken) return asked();
      const { signal } = new AbortController();
      const permanent = (error: unknown): boolean => !(error instanceof Failure && error.kind === 'temporary');
      return retry(() => broken.around(asked), { budgetMs: 2_000, baseMs: 1, permanent, signal });
    };
    return {
      look: (url) => io(() => this.lake.get(url)),
      checksum: (url) => io(() => this.lake.get(url)?.crc32 ?? ''),
      provenance: (url) =>
        io(() => {
          const { table, read, primary_key, cursor_columns, from, to, rows, schema_id } = this.lake.get(url) as Receipt;
          const positions = { primary_key, cursor_columns, from, to };
          return { v: 1, table, read, ...positions, rows: rows ?? 0, schema_id: schema_id ?? '', columns: {} };
        }),
      below: async function* (this: World) {
        yield* [...this.lake.keys()].sort();
      }.bind(this),
    };
  }

  /** Forgets the chain as a disaster does. The lake stays. */
  lose(): void {
    for (const key of this.store.files.keys()) if (key.startsWith(`${TABLE}/`)) this.store.files.delete(key);
    [this.known, this.newest, this.last, this.lease, this.lastLines] = [NOTHING, 0, undefined, undefined, ''];
    this.past.clear();
    this.loaded.clear();
  }

  /** Takes in the generations that are new; throws when one says something else than the model. */
  async sync(): Promise<void> {
    const newest = (await this.chain().tail())?.generation ?? 0;
    while (this.newest < newest) {
      const doc = await this.document(this.newest + 1);
      this.fold(doc);
      const { cursor, mysql_rows_extracted, redshift_rows_loaded, pending_files, pending_rows, backfill } = doc.state;
      const { at, extracted, loadedRows, pending, backfill: load } = this.known;
      demandSame(
        [cursor, mysql_rows_extracted, redshift_rows_loaded, pending_files, pending_rows],
        [positionAt(at), extracted, loadedRows, pending.length, pending.length * ROWS],
        `generation ${doc.generation}, ${doc.kind}`,
      );
      demandSame(
        backfill && [backfill.to, backfill.until, backfill.status],
        load && [positionAt(load.to), String(load.until), load.done ? 'complete' : 'running'],
        `the first load in generation ${doc.generation}, ${doc.kind}`,
      );
    }
  }

  /** A generation, wherever it lies: a force-reset may have moved it aside before anybody looked. */
  private async document(number: number): Promise<Generation> {
    const found = await this.chain().find(number);
    if (found) return found.doc;
    const name = `/${generationName(number)}`;
    for (const [key, bytes] of this.store.files) {
      if (key.includes('/_aside/') && key.endsWith(name)) return parseGeneration(bytes, TABLE, number).doc;
    }
    throw new Error(`generation ${number} is nowhere`);
  }

  private fold(doc: Generation): void {
    const { generation, kind } = doc;
    const before = this.known;
    const urls = doc.receipts.map(({ url }) => ({ url, generation }));
    const to = Number(doc.to?.[0] ?? 0);
    const earlier = this.committed.get(doc.run_id) ?? [];
    this.committed.set(doc.run_id, [...earlier, ...doc.receipts.map(({ url }) => url)]);
    if (kind === 'stored') {
      const stored = { extracted: before.extracted + urls.length * ROWS, pending: [...before.pending, ...urls] };
      this.known = { ...before, ...stored, ...this.moved(doc, to) };
    } else if (kind === 'loaded') {
      const done = before.pending.filter((one) => one.generation <= (doc.about ?? 0));
      for (const one of done) this.loaded.add(one.generation);
      const pending = before.pending.filter((one) => !done.includes(one));
      this.known = { ...before, loadedRows: before.loadedRows + done.length * ROWS, pending };
    } else if (kind === 'set') this.known = { ...before, at: to };
    else if (kind === 'restored') this.known = this.restored(doc.about ?? 0);
    else if (kind === 'imported') this.known = { ...NOTHING, at: to };
    else if (kind === 'rebuilt') {
      const loads = doc.receipts.filter(({ read }) => read === 'backfill');
      const [first] = doc.receipts.filter(({ read }) => read === 'incremental');
      const until = Number(first?.from?.[0] ?? 0);
      const backfill = loads.length > 0 ? { to: Number(loads.at(-1)?.to?.[0]), until, done: true } : null;
      this.known = { at: to, extracted: urls.length * ROWS, loadedRows: 0, pending: urls, backfill };
    } else this.known = NOTHING;
    if (kind === 'force-reset') this.past.clear();
    if (kind === 'force-reset' || kind === 'rebuilt') this.loaded.clear();
    this.past.set(generation, this.known);
    [this.newest, this.last] = [generation, { kind, to }];
  }

  private moved({ read, receipts, state }: Generation, to: number): Partial<Known> {
    if (read === 'incremental') return { at: to };
    if (read === 'snapshot') return {};
    const { at, backfill } = this.known;
    const running = backfill && !backfill.done ? backfill : undefined;
    const until = running?.until ?? Number(receipts[0]?.until ?? state.backfill?.until);
    const done = state.mysql_status === 'success';
    return { backfill: { to, until, done }, ...(done && at < until ? { at: until } : {}) };
  }

  /** An earlier state, without what was loaded since. */
  restored(about: number): Known {
    const earlier = this.past.get(about) ?? NOTHING;
    const pending = earlier.pending.filter(({ generation }) => !this.loaded.has(generation));
    return { ...earlier, pending, loadedRows: earlier.loadedRows + (earlier.pending.length - pending.length) * ROWS };
  }

  /** Throws unless the chain is whole and its objects are there, and lists as pending what the model does. */
  async check(): Promise<void> {
    const chain = this.chain();
    let before: { generation: number; mark: string } | undefined;
    for await (const { generation, bytes } of chain.files()) {
      const { doc } = parseGeneration(bytes, TABLE, generation);
      demandSame(doc.format, FORMAT, 'format');
      if (before) demandSame([generation, doc.prev_sha256], [before.generation + 1, before.mark], 'the chain');
      before = { generation, mark: sha256(bytes) };
    }
    demandSame(before?.generation ?? 0, this.newest, 'the newest file');
    for await (const finding of audit(chain, { objects: this.objects(), read: true })) throw new Error(finding.message);
    const pending: string[] = [];
    for await (const one of chain.pending()) pending.push(...one.receipts.map(({ url }) => url));
    demandSame(pending, urlsOf(this.known), 'pending receipts, in order');
  }
}

/** A store whose clock a test moves. */
export class ClockedStore extends MemoryStore {
  /** @param skewMs how far it is ahead of this machine's */
  constructor(private skewMs = 0) {
    // Short pages, so that listings go over several.
    super(true, 7);
  }
  override now(): number {
    return super.now() + this.skewMs;
  }
  /** An empty one with the same clock. */
  another(): ClockedStore {
    return new ClockedStore(this.skewMs);
  }
  pass(ms: number): void {
    this.skewMs += ms;
  }
}

export function urlsOf({ pending }: Known): string[] {
  return pending.map(({ url }) => url);
}

export function demandSame(got: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
}
