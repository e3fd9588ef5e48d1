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
import { FILE_BYTES, LAST_GENERATION, generationName, generationOfName } from './store.js';
import { leaveHint } from './tail.js';

/** What a writer decides; the rest is filled in here. */
export interface Draft {
  kind: GenerationKind;
  run_id: string;
  /** The chain it belongs to; that of the tail, unless given. */
  chain?: string;
  state: State;
  read?: ReadKind;
  cursor_columns?: readonly string[];
  from?: Position | null;
  to?: Position | null;
  receipts?: readonly Receipt[];
  about?: number;
  reason?: string;
}

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
    if (!this.probed) await demandConditions(chain.store, signal);
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
    if (etag === undefined || (await this.overtaken(doc, bytes))) return undefined;
    await failpoint('wm.after-create');
    const at = { generation: doc.generation, bytes, etag: etag || undefined };
    await leaveHint(chain.store, chain.folder, at, signal).catch(() => {
      // The commit stands; the next reader only needs one request more.
    });
    await failpoint('wm.after-hint');
    return { doc, sha256: sha256(bytes) };
  }

  /** Resolves to the etag ('' when it is not known), or undefined when the number is someone else's. */
  private async create({ generation }: Generation, bytes: Buffer): Promise<string | undefined> {
    const { store, folder } = this.chain;
    const key = `${folder}/${generationName(generation)}`;
    try {
      const { outcome, etag } = await store.create(key, bytes, this.signal);
      if (outcome === 'created') return etag ?? '';
      // It may be our own, from an attempt whose answer was lost: the bytes hold our write_id.
      const there = await store.read(key, this.signal);
      return there && bytes.equals(there) ? '' : undefined;
    } catch (error) {
      if (!(error instanceof Failure) || error.kind !== 'temporary') throw error;
      const message = `${error.message}; whether generation ${generation} was committed is unknown`;
      throw new Failure('temporary', message, { cause: error.cause, hint: 'Running the same line finds out.' });
    }
  }

  /**
   * True when the number was in use before and is free again: a force-reset moved it away, or it was pruned, after
   * this writer read its tail. Then a later generation exists, and the next one does not name ours, which nobody
   * would ever read: it is taken back. No clock is asked, so however long a writer sleeps, it cannot take a number twice.
   */
  private async overtaken({ generation }: Generation, bytes: Buffer): Promise<boolean> {
    const { store, folder } = this.chain;
    const name = generationName(generation);
    const later = await store.list(folder, name, this.signal);
    if (!later.entries.some((entry) => generationOfName(entry.name) !== undefined)) return false;
    const next = await this.chain.find(generation + 1);
    if (next?.doc.prev_sha256 === sha256(bytes)) return false;
    await store.remove(`${folder}/${name}`, this.signal);
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
      chain: draft.chain ?? ((draft.kind !== 'force-reset' && tail?.link?.doc.chain) || randomId()),
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
