/**
 * A table's chain: reading it, and the one way to add to it. A generation is committed when its file was
 * created; everything before that can be thrown away, everything after it can be done again.
 *
 *     const chain = openChain(store, 'shop.orders', { by, signal });
 *     const newest = await chain.read();                        // undefined: nothing was ever committed
 *     for await (const one of chain.pending()) …                // stored and not loaded, oldest first
 *     await chain.commitLoaded(one.generation, { run_id });     // after the warehouse committed
 */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { pause, retry } from '../retry.js';
import type { ReadKind } from '../provenance.js';
import type { Receipt } from '../receipt.js';
import {
  FORMAT,
  type Generation,
  type GenerationKind,
  type Link,
  generationBytes,
  parseGeneration,
  randomId,
  sha256,
} from './generation.js';
import { demandConditions } from './probe.js';
import { type Ranges, type State, foldLoaded, totalsOf, upTo } from './state.js';
import { type WatermarkStore, generationName, generationOfName, tableFolder } from './store.js';
import { type Newest, leaveHint, newest } from './tail.js';

export interface ChainOptions {
  /** `program/version@host:pid`, for the record. */
  by: string;
  signal: AbortSignal;
  /** How long one operation is tried again, in milliseconds; default two minutes. */
  patienceMs?: number;
  /** Told about each attempt that failed and is repeated. */
  onRetry?: (error: unknown) => void;
}

/** The newest file. `link` is missing when it cannot be read, and `trouble` says why. */
export interface Tail {
  generation: number;
  sha256: string;
  link?: Link;
  trouble?: Failure;
  /** When it was read, in milliseconds of a clock that never jumps. */
  readAt: number;
}

/** What a writer decides; the chain fills in the rest. */
export interface Draft {
  kind: GenerationKind;
  run_id: string;
  state: State;
  read?: ReadKind;
  cursor_columns?: readonly string[];
  from?: Position | null;
  to?: Position | null;
  receipts?: readonly Receipt[];
  about?: number;
  reason?: string;
}

/** Makes the next draft on top of a tail; undefined when there is nothing to commit. */
export type Propose = (
  tail: Tail | undefined,
  next: number,
  at: string,
) => Draft | undefined | Promise<Draft | undefined>;

/** Rounds of a race that are played before giving up; each lost one means somebody else moved on. */
const ROUNDS = 200;

/** A tail read longer ago than this is checked against once more after the commit. */
const STALE_MS = 60_000;

/** Opens the chain of a table; contacts nothing. */
export function openChain(store: WatermarkStore, table: string, options: ChainOptions): Chain {
  return new Chain(store, table, options);
}

export class Chain {
  readonly folder: string;
  private probed = false;

  constructor(
    readonly store: WatermarkStore,
    readonly table: string,
    private readonly options: ChainOptions,
  ) {
    this.folder = tableFolder(table);
  }

  /** The newest generation, checked; undefined when the table has none. 65 or 78, naming the last good one, when it cannot be read. */
  async read(): Promise<Link | undefined> {
    return linkOf(await this.tail(), this);
  }

  /** The newest file, readable or not: for those who repair. */
  async tail(): Promise<Tail | undefined> {
    const found = await this.patiently(() => newest(this.store, this.folder, this.options.signal));
    if (!found) return undefined;
    const { generation, bytes } = found;
    const readAt = performance.now();
    try {
      const link = parseGeneration(bytes, this.table, generation);
      return { generation, sha256: link.sha256, link, readAt };
    } catch (error) {
      return { generation, sha256: sha256(bytes), trouble: error as Failure, readAt };
    }
  }

  /** One generation; 66 when it is not there (never written, or pruned), 65 when it cannot be read. */
  async generation(number: number): Promise<Link> {
    const key = `${this.folder}/${generationName(number)}`;
    const bytes = await this.patiently(() => this.store.read(key, this.options.signal));
    if (!bytes) throw new Failure('no-input', `${this.table} has no generation ${number} in ${this.store.url}`);
    try {
      return parseGeneration(bytes, this.table, number);
    } catch (error) {
      throw unreadable(error as Failure, this.table, number);
    }
  }

  /** Every generation after `number` up to the newest at the time of the call, oldest first, one in memory. */
  async *generationsAfter(number: number): AsyncGenerator<Generation> {
    const last = (await this.read())?.doc.generation ?? 0;
    const first = Math.max(number + 1, await this.oldest(number));
    for (let at = first; at <= last; at += 1) yield (await this.generation(at)).doc;
  }

  /** Every file of the chain that is still there, oldest first, unchecked: for backup and checking. */
  async *files(): AsyncGenerator<Newest> {
    const last = (await this.tail())?.generation ?? 0;
    for (let at = await this.oldest(0); at <= last; at += 1) {
      const key = `${this.folder}/${generationName(at)}`;
      const bytes = await this.patiently(() => this.store.read(key, this.options.signal));
      if (!bytes) throw new Failure('data', `generation ${at} of ${this.table} is missing from ${this.store.url}`);
      yield { generation: at, bytes };
    }
  }

  /** Generations with receipts that are not loaded, oldest first. `loaded` is recorded up to the one before. */
  async *pending(these?: Ranges): AsyncGenerator<Generation> {
    const ranges = these ?? (await this.read())?.doc.state.pending ?? [];
    for (const [first, last] of ranges) {
      for (let at = first; at <= last; at += 1) {
        const { doc } = await this.generation(at);
        if (doc.receipts.length > 0) yield doc;
      }
    }
  }

  /**
   * Records that everything pending up to generation `through` is in the warehouse. Resolves to the generation
   * that says so, or undefined when the chain already did. Commutes with every other writer.
   */
  async commitLoaded(through: number, run: { run_id: string }): Promise<number | undefined> {
    const done = await this.commit(async (tail, next, at) => {
      const state = (await linkOf(tail, this))?.doc.state;
      if (!state || through >= next) {
        throw new Failure('data', `${this.table}: generation ${through} cannot be loaded, the newest is ${next - 1}`);
      }
      const due = upTo(state.pending, through);
      if (due.length === 0) return undefined;
      const receipts: Receipt[] = [];
      let cursor = state.loaded_cursor;
      for await (const one of this.pending(due)) {
        receipts.push(...one.receipts);
        cursor = one.state.cursor;
      }
      const loaded = totalsOf(receipts);
      const left = {
        files: state.pending_files - loaded.files,
        rows: state.pending_rows - loaded.rows,
        bytes: state.pending_bytes - loaded.bytes,
      };
      const urls = receipts.map((receipt) => receipt.url);
      const folded = foldLoaded(state, { through, cursor, loaded, left, urls, at });
      return { kind: 'loaded', run_id: run.run_id, about: through, state: folded };
    });
    return done?.doc.generation;
  }

  /**
   * Adds one generation. When another writer takes the number first, `propose` is asked again on the new tail if
   * all that came between is `loaded` (or if that is what we write); anything else is 80, with nothing changed.
   * @param base the tail the caller decided on, null for none; read when not given
   */
  async commit(propose: Propose, base?: Tail | null): Promise<Link | undefined> {
    let tail = base === undefined ? await this.tail() : (base ?? undefined);
    for (let round = 1; ; round += 1) {
      const next = (tail?.generation ?? 0) + 1;
      const draft = await propose(tail, next, new Date(this.store.now()).toISOString());
      if (!draft) return undefined;
      const won = await this.append(tail, draft);
      if (won) return won;
      const behind = tail?.generation ?? 0;
      tail = await this.tail();
      await this.demandCommuting(draft, behind, tail);
      if (round >= ROUNDS) {
        throw new Failure('temporary', `${this.table}: ${ROUNDS} generations were committed by others meanwhile`);
      }
      await pause(Math.random() * 50, this.options.signal);
    }
  }

  private async demandCommuting(draft: Draft, behind: number, tail: Tail | undefined): Promise<void> {
    if (draft.kind === 'loaded') return;
    for (let at = behind + 1; at <= (tail?.generation ?? behind); at += 1) {
      const { doc } = await this.generation(at);
      if (doc.kind === 'loaded') continue;
      throw new Failure('conflict', `${this.table}: another run (${doc.run_id}) committed generation ${at} first`, {
        hint: `It was a ${doc.kind} by ${doc.written_by}; this one was not committed. See \`wm history ${this.table}\`.`,
      });
    }
  }

  /** One attempt on one number; undefined when another writer has it. */
  private async append(tail: Tail | undefined, draft: Draft): Promise<Link | undefined> {
    if (!this.probed) await this.patiently(() => demandConditions(this.store, this.options.signal));
    this.probed = true;
    const doc = this.documentOf(tail, draft);
    const bytes = generationBytes(doc);
    await failpoint('wm.before-create');
    const etag = await this.create(doc, bytes);
    if (etag === undefined || (await this.overtaken(tail, doc, bytes))) return undefined;
    await failpoint('wm.after-create');
    const { generation } = doc;
    await leaveHint(this.store, this.folder, { generation, bytes, etag: etag || undefined }, this.options.signal).catch(
      () => {
        // The commit stands; the next reader only needs one request more.
      },
    );
    await failpoint('wm.after-hint');
    return { doc, sha256: sha256(bytes) };
  }

  /**
   * Creates the file and, when the answer was lost, finds out what happened: the key holds our bytes, someone
   * else's, or nothing; only in the last case is the same creation sent again.
   * Resolves to the etag ('' without one), or undefined when the number is someone else's.
   */
  private async create(doc: Generation, bytes: Buffer): Promise<string | undefined> {
    const key = `${this.folder}/${generationName(doc.generation)}`;
    return this.patiently(async () => {
      try {
        const { outcome, etag } = await this.store.create(key, bytes, this.options.signal);
        if (outcome === 'created') return etag ?? '';
      } catch (error) {
        if (!(error instanceof Failure) || error.kind !== 'temporary') throw error;
        throw new Failure(
          'temporary',
          `${error.message}; whether generation ${doc.generation} was committed is unknown`,
          {
            cause: error.cause,
            hint: 'Running the same line finds out.',
          },
        );
      }
      // "It exists" may mean that an earlier attempt of ours got through: the bytes hold our write_id.
      const there = await this.store.read(key, this.options.signal);
      return there && bytes.equals(there) ? '' : undefined;
    });
  }

  /**
   * True when a writer that slept since it read the tail created a number that was in use and is moved away or
   * pruned by now: a later generation exists, and it does not name ours. Ours is then taken back.
   */
  private async overtaken(tail: Tail | undefined, doc: Generation, bytes: Buffer): Promise<boolean> {
    if (!tail || performance.now() - tail.readAt < STALE_MS) return false;
    const found = await this.patiently(() => newest(this.store, this.folder, this.options.signal));
    if (!found || found.generation <= doc.generation) return false;
    const after = await this.generation(doc.generation + 1).catch(() => undefined);
    if (after?.doc.prev_sha256 === sha256(bytes)) return false;
    await this.store.remove(`${this.folder}/${generationName(doc.generation)}`, this.options.signal);
    return true;
  }

  private documentOf(tail: Tail | undefined, draft: Draft): Generation {
    return {
      format: FORMAT,
      table: this.table,
      chain: (draft.kind !== 'force-reset' && tail?.link?.doc.chain) || randomId(),
      generation: (tail?.generation ?? 0) + 1,
      prev_sha256: tail?.sha256 ?? null,
      write_id: randomId(),
      kind: draft.kind,
      run_id: draft.run_id,
      read: draft.read ?? null,
      cursor_columns: draft.cursor_columns ?? draft.state.cursor_columns,
      from: draft.from ?? null,
      to: draft.to ?? null,
      receipts: draft.receipts ?? [],
      about: draft.about ?? null,
      reason: draft.reason ?? null,
      state: draft.state,
      written_at: new Date(this.store.now()).toISOString(),
      written_by: this.options.by,
    };
  }

  /** The number of the oldest file after `number`. */
  private async oldest(number: number): Promise<number> {
    const after = number > 0 ? generationName(number) : '';
    const page = await this.patiently(() => this.store.list(this.folder, after, this.options.signal));
    for (const { name } of page) {
      const found = generationOfName(name);
      if (found !== undefined) return found;
    }
    return number + 1;
  }

  /** Tries again while the trouble may pass. */
  private patiently<T>(operation: () => Promise<T>): Promise<T> {
    return retry(operation, {
      budgetMs: this.options.patienceMs ?? 120_000,
      signal: this.options.signal,
      ...(this.options.onRetry ? { onRetry: this.options.onRetry } : {}),
      permanent: (error) => !(error instanceof Failure && error.kind === 'temporary'),
    });
  }
}

/** The checked generation of a tail; throws, naming the last good generation, when it cannot be read. */
export async function linkOf(tail: Tail | undefined, chain: Chain): Promise<Link | undefined> {
  if (!tail?.trouble) return tail?.link;
  const good = await lastGood(chain, tail.generation);
  throw unreadable(tail.trouble, chain.table, tail.generation, good);
}

/** How far back the last readable generation is looked for. */
const LOOK_BACK = 100;

async function lastGood(chain: Chain, before: number): Promise<number | undefined> {
  for (let at = before - 1; at >= Math.max(1, before - LOOK_BACK); at -= 1) {
    const link = await chain.generation(at).catch(() => undefined);
    if (link) return at;
  }
  return undefined;
}

function unreadable(trouble: Failure, table: string, generation: number, good?: number): Failure {
  const last = good === undefined ? '' : `; the last good one is ${good}`;
  const repair = good === undefined ? `\`wm force-reset ${table}\`` : `\`wm restore ${table} --generation ${good}\``;
  return new Failure(trouble.kind, `generation ${generation} of ${table} cannot be read: ${trouble.message}${last}`, {
    cause: trouble.cause,
    hint: trouble.kind === 'config' ? (trouble.hint ?? '') : `See \`wm history ${table}\`, then ${repair}.`,
  });
}
