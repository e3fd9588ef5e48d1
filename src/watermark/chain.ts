/**
 * A table's chain: reading it, and the one way to add to it. A generation is committed when its file was
 * created; everything before that can be thrown away, everything after it can be done again.
 *
 *     const chain = openChain(store, 'shop.orders', { by, signal });
 *     const newest = await chain.read();                        // undefined: nothing was ever committed
 *     for await (const one of chain.pending()) …                // stored and not loaded, oldest first
 *     await chain.commitLoaded(one.generation, { run_id });     // after the warehouse committed
 */
import { Failure } from '../errors.js';
import { pause } from '../retry.js';
import type { Receipt } from '../receipt.js';
import { Appender, type Draft } from './append.js';
import { Archive, parsed } from './archive.js';
import { linkOf, unreadable } from './damage.js';
import { type Generation, type Link, parseGeneration, sha256 } from './generation.js';
import { PatientStore } from './patient-store.js';
import { type Ranges, foldLoaded, totalsOf, upTo } from './state.js';
import { type WatermarkStore, generationName, generationOfName, tableFolder } from './store.js';
import { type Newest, newest } from './tail.js';

export interface ChainOptions {
  /** `program/version@host`, for the record. */
  by: string;
  signal: AbortSignal;
  /** Makes the store a patient one: how long one operation is tried again, in milliseconds. */
  patienceMs?: number;
}

/** The newest file. `link` is missing when it cannot be read, and `trouble` says why. */
export interface Tail {
  generation: number;
  sha256: string;
  link?: Link;
  trouble?: Failure;
}

/** Makes the next draft on top of a tail; undefined when there is nothing to commit. */
export type Propose = (
  tail: Tail | undefined,
  next: number,
  at: string,
) => Draft | undefined | Promise<Draft | undefined>;

/** Rounds of a race that are played before giving up; each lost one means somebody else moved on. */
const ROUNDS = 200;

/** Opens the chain of a table; contacts nothing. */
export function openChain(store: WatermarkStore, table: string, options: ChainOptions): Chain {
  const { patienceMs } = options;
  return new Chain(patienceMs === undefined ? store : new PatientStore(store, { patienceMs }), table, options);
}

export class Chain {
  readonly folder: string;
  readonly archive: Archive;
  private readonly appender: Appender;

  constructor(
    readonly store: WatermarkStore,
    readonly table: string,
    private readonly options: ChainOptions,
  ) {
    this.folder = tableFolder(table);
    this.archive = new Archive(store, this.folder, options.signal);
    this.appender = new Appender(this, options.by, options.signal);
  }

  /** The newest generation, checked; undefined when the table has none. 65 or 78, naming the last good one, when it cannot be read. */
  async read(): Promise<Link | undefined> {
    return linkOf(await this.tail(), this);
  }

  /** The newest file, readable or not: for those who repair. */
  async tail(): Promise<Tail | undefined> {
    const found = await newest(this.store, this.folder, this.options.signal);
    return found && tailOf(found, this.table);
  }

  /** One generation, in place or packed; 66 when there is no such one, 65 when it cannot be read. */
  async generation(number: number): Promise<Link> {
    const found = await this.find(number);
    if (found) return found;
    throw new Failure('no-input', `${this.table} has no generation ${number} in ${this.store.url}`, {
      hint: `See \`wm history ${this.table}\`; what a force-reset moved away is in ${this.folder}/_aside/ there.`,
    });
  }

  /** The same; undefined when there is no such one. */
  async find(number: number): Promise<Link | undefined> {
    const bytes = (await this.inPlace(number)) ?? (await this.archive.file(number));
    try {
      return bytes && parseGeneration(bytes, this.table, number);
    } catch (error) {
      throw unreadable(error as Failure, this.table, number);
    }
  }

  /** Every generation in place after `number` up to the newest at the time of the call, oldest first, one in memory. */
  async *generationsAfter(number: number): AsyncGenerator<Generation> {
    await this.read();
    yield* parsed(this.filesInPlace(number), this.table);
  }

  /** Every file of the chain, packed or in place, oldest first, unchecked: for backup and checking. */
  async *files(): AsyncGenerator<Newest> {
    let after = 0;
    for await (const file of this.archive.files()) {
      yield file;
      after = file.generation;
    }
    yield* this.filesInPlace(after);
  }

  /** The files that are not packed, after `number`. 65 when one between two others is missing. */
  async *filesInPlace(number = 0): AsyncGenerator<Newest> {
    const last = (await this.tail())?.generation ?? 0;
    for (let at = await this.oldest(number); at <= last; at += 1) {
      const bytes = await this.inPlace(at);
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
      const won = await this.appender.append(tail, draft);
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
    for (let at = behind + 1; draft.kind !== 'loaded' && at <= (tail?.generation ?? behind); at += 1) {
      // One that was moved aside meanwhile cannot be asked: the force-reset that did it is what happened.
      const doc = (await this.find(at))?.doc ?? tail?.link?.doc;
      if (doc?.kind === 'loaded') continue;
      const by = doc ? `another run (${doc.run_id})` : 'another run';
      throw new Failure('conflict', `${this.table}: ${by} committed generation ${doc?.generation ?? at} first`, {
        hint: `${doc ? `It was a ${doc.kind} by ${doc.written_by}; this` : 'This'} one was not committed. See \`wm history ${this.table}\`.`,
      });
    }
  }

  private inPlace(number: number): Promise<Uint8Array | undefined> {
    const key = `${this.folder}/${generationName(number)}`;
    return this.store.read(key, this.options.signal);
  }

  /** The number of the oldest file in place after `number`. */
  private async oldest(number: number): Promise<number> {
    const after = number > 0 ? generationName(number) : '';
    const { entries } = await this.store.list(this.folder, after, this.options.signal);
    for (const { name } of entries) {
      const found = generationOfName(name);
      if (found !== undefined) return found;
    }
    return number + 1;
  }
}

/** A newest file, checked. */
export function tailOf({ generation, bytes }: Newest, table: string): Tail {
  try {
    const link = parseGeneration(bytes, table, generation);
    return { generation, sha256: link.sha256, link };
  } catch (error) {
    return { generation, sha256: sha256(bytes), trouble: error as Failure };
  }
}
