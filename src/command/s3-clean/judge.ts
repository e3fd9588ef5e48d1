/** What an object below a prefix is to us, judged by every watermark chain of a store and, if given, by ledgers. */
import type { Invocation } from '../../cli/command.js';
import { TEMPORARY } from '../../durable-file.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { tableName } from '../wm/list.js';
import { type Listed, listObjects } from '../../source/listing.js';
import type { ObjectAccess } from '../../source/object.js';
import { listUploads } from '../../source/uploads.js';
import type { Chain } from '../../watermark/chain.js';
import { type Named, collectNamed } from '../../watermark/named.js';
import type { WatermarkStore } from '../../watermark/store.js';
import { newest } from '../../watermark/tail.js';

/**
 * `stored`: a generation names it, and it is not loaded. `loaded`: it is. `orphan`: one of our objects that nothing
 * names. `foreign`: not one of ours, never touched. `upload`: begun and not finished.
 */
export type ObjectState = 'stored' | 'loaded' | 'orphan' | 'foreign' | 'upload';

export interface Judged {
  url: string;
  bytes: number | null;
  rows: number | null;
  /** Milliseconds since 1970. */
  modified: number;
  state: ObjectState;
  table: string | null;
  generation: number | null;
  /** Of an unfinished upload to S3. */
  uploadId?: string;
}

/** Names that s3-put and to-parquet make: an object whose name ends so, and that nothing names, is an orphan of ours. */
const OURS = /-[0-9a-f]{16}\.parquet$/;

export class Judge {
  private readonly named = new Map<string, Named>();
  private readonly ledgered = new Set<string>();
  private readonly chains = new Map<string, { chain: Chain; seen: number }>();

  private constructor(
    private readonly folder: string,
    private readonly access: ObjectAccess,
    private readonly store: WatermarkStore,
    private readonly invocation: Invocation,
  ) {}

  /** Reads the chains and ledgers. 65 or 78 when one of them cannot be read: then nothing can be judged. */
  static async of(folder: string, invocation: Invocation, access: ObjectAccess): Promise<Judge> {
    const judge = new Judge(folder, access, await openStore(invocation), invocation);
    await judge.refresh();
    for (const ledger of invocation.flags.texts('ledger')) await judge.readLedger(ledger);
    return judge;
  }

  /** True when neither a chain nor a ledger says anything about this place: then everything would be an orphan. */
  get knowsNothing(): boolean {
    return this.named.size === 0 && this.ledgered.size === 0;
  }

  /** Everything below the folder: objects in byte order, then unfinished uploads. */
  async *all(): AsyncGenerator<Judged> {
    for await (const listed of listObjects(this.folder, this.access)) yield this.judged(listed);
    for await (const { url, uploadId, begun } of listUploads(this.folder, this.access)) {
      yield { url, bytes: null, rows: null, modified: begun, state: 'upload', table: null, generation: null, uploadId };
    }
  }

  /** Looks at what was committed since, also to chains that were begun since: an orphan may be named by now. */
  async refresh(): Promise<void> {
    const { store, invocation } = this;
    for (const name of await store.folders(invocation.signal)) {
      if (this.chains.has(name)) continue;
      const found = await newest(store, name, invocation.signal);
      if (!found) continue;
      const table = tableName(found.bytes) ?? decodeURIComponent(name);
      this.chains.set(name, { chain: openTableChain(store, table, invocation), seen: 0 });
    }
    for (const one of this.chains.values()) {
      one.seen = await collectNamed(one.chain, this.folder, this.named, one.seen);
    }
  }

  /** When the objects were last written, those that are still there. */
  async look(seen: readonly { url: string }[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const wanted = new Set(seen.map(({ url }) => url));
    const found = new Map<string, number>();
    for await (const { url, modified } of listObjects(this.folder, { ...this.access, signal }, seen[0]?.url)) {
      if (wanted.delete(url)) found.set(url, modified);
      if (url === seen.at(-1)?.url) break;
    }
    return found;
  }

  /** The state as of the last {@link refresh}. */
  stateOf(url: string): ObjectState {
    const named = this.named.get(url);
    if (named?.mark === 'pending') return 'stored';
    if (named?.mark === 'loaded' || this.ledgered.has(url)) return 'loaded';
    if (named) return 'stored';
    const name = url.slice(url.lastIndexOf('/') + 1);
    if (url.startsWith('file:') && name.startsWith(TEMPORARY)) return 'upload';
    return OURS.test(name) ? 'orphan' : 'foreign';
  }

  private judged({ url, bytes, modified }: Listed): Judged {
    const { table = null, generation = null, rows = null } = this.named.get(url) ?? {};
    return { url, bytes, rows, modified, state: this.stateOf(url), table, generation };
  }

  private async readLedger(name: string): Promise<void> {
    const { invocation } = this;
    const [{ urlsInLedger }, { openWarehouse, settingsOf, targetTable }] = await Promise.all([
      import('../../load/ledger.js'),
      import('../warehouse.js'),
    ]);
    const table = targetTable(name, '--ledger');
    const warehouse = await openWarehouse(invocation, settingsOf(invocation));
    const session = await warehouse.open();
    try {
      for (const url of await urlsInLedger(session, table, this.folder)) this.ledgered.add(url);
    } catch (error) {
      throw warehouse.failure(error, `reading the ledger ${name}`);
    } finally {
      await session.end();
    }
  }
}
