/** Adding one generation to a chain: the single create that commits, and finding out what became of it. */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { ReadKind } from '../provenance.js';
import type { Receipt } from '../receipt.js';
import type { Chain, Tail } from './chain.js';
import {
  FORMAT,
  type Generation,
  type GenerationKind,
  type Link,
  generationBytes,
  randomId,
  sha256,
} from './generation.js';
import { demandConditions } from './probe.js';
import type { State } from './state.js';
import { FILE_BYTES, LAST_GENERATION, generationName } from './store.js';
import { leaveHint, newest } from './tail.js';

/** What a writer decides; the rest is filled in here. */
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

/** A tail read longer ago than this is checked against once more after the commit. */
const STALE_MS = 60_000;

export class Appender {
  private probed = false;

  /** @param by `program/version@host`, for the record */
  constructor(
    private readonly chain: Chain,
    private readonly by: string,
    private readonly signal: AbortSignal,
  ) {}

  /** One attempt on the number after `tail`; undefined when another writer has it. */
  async append(tail: Tail | undefined, draft: Draft): Promise<Link | undefined> {
    const { chain, signal } = this;
    if (!this.probed) await chain.patiently(() => demandConditions(chain.store, signal));
    this.probed = true;
    const doc = this.document(tail, draft);
    const bytes = generationBytes(doc);
    if (bytes.length > FILE_BYTES) {
      throw new Failure('data', `${doc.table}: ${doc.receipts.length} receipts are too many for one generation`, {
        hint: 'Write larger files (to-parquet --split-size).',
      });
    }
    await failpoint('wm.before-create');
    const etag = await this.create(doc, bytes);
    if (etag === undefined || (await this.overtaken(tail, doc, bytes))) return undefined;
    await failpoint('wm.after-create');
    const at = { generation: doc.generation, bytes, etag: etag || undefined };
    await leaveHint(chain.store, chain.folder, at, signal).catch(() => {
      // The commit stands; the next reader only needs one request more.
    });
    await failpoint('wm.after-hint');
    return { doc, sha256: sha256(bytes) };
  }

  /**
   * Creates the file and, when the answer was lost, finds out what happened: the key holds our bytes, someone
   * else's, or nothing; only in the last case is the same creation sent again.
   * Resolves to the etag ('' without one), or undefined when the number is someone else's.
   */
  private async create({ generation }: Generation, bytes: Buffer): Promise<string | undefined> {
    const { store, folder, patiently } = this.chain;
    const key = `${folder}/${generationName(generation)}`;
    return patiently(async () => {
      try {
        const { outcome, etag } = await store.create(key, bytes, this.signal);
        if (outcome === 'created') return etag ?? '';
      } catch (error) {
        if (!(error instanceof Failure) || error.kind !== 'temporary') throw error;
        const message = `${error.message}; whether generation ${generation} was committed is unknown`;
        throw new Failure('temporary', message, { cause: error.cause, hint: 'Running the same line finds out.' });
      }
      // "It exists" may mean that an earlier attempt of ours got through: the bytes hold our write_id.
      const there = await store.read(key, this.signal);
      return there && bytes.equals(there) ? '' : undefined;
    });
  }

  /**
   * True when a writer that slept since it read the tail created a number that was in use and is moved away or
   * pruned by now: a later generation exists, and it does not name ours. Ours is then taken back.
   */
  private async overtaken(tail: Tail | undefined, doc: Generation, bytes: Buffer): Promise<boolean> {
    if (!tail || performance.now() - tail.readAt < STALE_MS) return false;
    const { store, folder, patiently } = this.chain;
    const found = await patiently(() => newest(store, folder, this.signal));
    if (!found || found.generation <= doc.generation) return false;
    const after = await this.chain.generation(doc.generation + 1).catch(() => undefined);
    if (after?.doc.prev_sha256 === sha256(bytes)) return false;
    await store.remove(`${folder}/${generationName(doc.generation)}`, this.signal);
    return true;
  }

  private document(tail: Tail | undefined, draft: Draft): Generation {
    const { table, store } = this.chain;
    const generation = (tail?.generation ?? 0) + 1;
    if (generation > LAST_GENERATION) {
      throw new Failure(
        'data',
        `${table}: a file in ${store.url} claims the last number there is, ${LAST_GENERATION}`,
        {
          hint: 'No chain grows that long: remove the file by hand.',
        },
      );
    }
    return {
      format: FORMAT,
      table,
      chain: (draft.kind !== 'force-reset' && tail?.link?.doc.chain) || randomId(),
      generation,
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
      written_at: new Date(store.now()).toISOString(),
      written_by: this.by,
    };
  }
}
