/**
 * A crash between every two I/O calls of every command that writes: before each call, after each call, and with its
 * answer lost. The chain stays whole, and the same command again brings it to where it would have been.
 */
import t from 'tap';
import { Failure } from '../../src/errors.js';
import { type Receipt, receiptLine } from '../../src/receipt.js';
import { advance } from '../../src/watermark/advance.js';
import { audit } from '../../src/watermark/audit.js';
import { backupLines, parseBackup, restoreBackup } from '../../src/watermark/backup.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { Leases } from '../../src/watermark/lease.js';
import { forceReset, reset, restore, setCursor, takeOver } from '../../src/watermark/moves.js';
import type { Objects } from '../../src/watermark/objects.js';
import { pack, planPack } from '../../src/watermark/pack.js';
import { PatientStore } from '../../src/watermark/patient-store.js';
import { rebuildChain } from '../../src/watermark/rebuild.js';
import { type Break, BreakingStore, Crash, MemoryStore } from './memory-store.js';
import { bytesOf, endOf, linesOf, receiptsFrom } from './receipts.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const TABLE = 'shop.orders';
const { signal } = new AbortController();
const hand = { run_id: 'r' };

const open = (store: MemoryStore | BreakingStore): Chain =>
  openChain(new PatientStore(store, { patienceMs: 1_000, baseMs: 1 }), TABLE, { by: 'test', signal });

async function deliver(chain: Chain, receipts: readonly Receipt[], text = linesOf(receipts)): Promise<void> {
  for await (const _ of advance(chain, { flushMs: 60_000, flushFiles: 2, runId: 'x' })(bytesOf(text), signal));
}

async function incremental(chain: Chain): Promise<void> {
  const at = Number((await chain.read())?.doc.state.cursor?.[0] ?? 0);
  if (at < 9) await deliver(chain, receiptsFrom(at, 9 - at, 'new'));
}

async function backfill(chain: Chain): Promise<void> {
  const state = (await chain.read())?.doc.state;
  if (state?.backfill?.status === 'complete') return;
  const at = Number(state?.backfill?.to?.[0] ?? 0);
  const nothing = receiptLine(endOf([], { read: 'backfill', from: [String(at)] }));
  const rest = receiptsFrom(at, 4 - at, 'fill').map(
    (one) => ({ ...one, read: 'backfill', until: '2024-01-01 00:00:00' }) as Receipt,
  );
  await deliver(chain, rest, rest.length > 0 ? linesOf(rest) : nothing);
}

/** The commands as `wm` gives them, each on a chain of five generations; `done` says what must hold at last. */
const commands: Record<string, { run(chain: Chain): Promise<unknown>; done: object }> = {
  advance: { run: incremental, done: { cursor: ['9'], mysql_rows_extracted: 90, pending_files: 9 } },
  'advance, backfill': { run: backfill, done: { cursor: ['2024-01-01 00:00:00'], s3_file_count: 9, pending_files: 9 } },
  loaded: { run: (chain) => chain.commitLoaded(2, { run_id: 'l' }), done: { loaded_generation: 2, pending_files: 1 } },
  set: { run: (chain) => setCursor(chain, ['7'], false, hand), done: { cursor: ['7'], pending_files: 5 } },
  reset: { run: (chain) => reset(chain, hand), done: { cursor: null, pending_files: 0 } },
  restore: { run: (chain) => restore(chain, 1, hand), done: { cursor: ['2'], pending_files: 2 } },
  'force-reset': { run: (chain) => forceReset(chain, hand, signal), done: { cursor: null, pending_files: 0 } },
  prune: {
    run: async (chain) => {
      await chain.commitLoaded(3, { run_id: 'l' });
      const plan = await planPack(chain, 1, Date.now() + 60_000);
      if (plan) await pack(chain, plan, signal);
    },
    done: { cursor: ['5'], pending_files: 0 },
  },
};

const objects = new Map(receiptsFrom(0, 5, 'old').map((receipt) => [receipt.url, receipt]));

/** What the objects of the chain say about themselves. */
const lake: Objects = {
  look: async (url) => objects.get(url),
  checksum: async (url) => objects.get(url)?.crc32 ?? '',
  provenance: async (url) => ({ ...(objects.get(url) as Receipt), rows: 10, schema_id: 's1', columns: {} }),
  below: async function* () {
    yield* objects.keys();
  },
};

async function begun(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await deliver(open(store), receiptsFrom(0, 5, 'old'));
  return store;
}

async function findings(chain: Chain): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const one of audit(chain, { objects: undefined, read: false })) found.push(one);
  return found;
}

async function breaking(run: () => Promise<unknown>): Promise<void> {
  await run().catch((error: unknown) => {
    if (!(error instanceof Crash) && !(error instanceof Failure && error.kind === 'temporary')) throw error;
  });
}

/** What brings a table its chain back, each on a store that has none. */
const beginnings: typeof commands = {
  'import of an old watermark': {
    run: (chain) => takeOver(chain, ['7'], 'r'),
    done: { cursor: ['7'], pending_files: 0 },
  },
  rebuild: {
    run: (chain) => rebuildChain(chain, lake, 's3://lake/', { run_id: 'r', dryRun: false }),
    done: { cursor: ['5'], pending_files: 5, mysql_rows_extracted: 50 },
  },
};

for (const [name, { run, done, from }] of [
  ...Object.entries(commands).map(([name, one]) => [name, { ...one, from: begun }] as const),
  ...Object.entries(beginnings).map(([name, one]) => [name, { ...one, from: async () => new MemoryStore() }] as const),
]) {
  t.test(name, async (t) => {
    let points = 0;
    for (const how of ['crash-before', 'crash-after', 'lost', 'fail'] as const) {
      for (let at = 1, fired = 1; fired > 0; at += 1) {
        const store = await from();
        const breaks: Break[] = [{ at, how }];
        const broken = new BreakingStore(store, breaks);
        await breaking(() => run(open(broken)));
        ({ fired } = broken);
        points += fired;
        const chain = open(store);
        const odd = await findings(chain);
        if (odd.length > 0) t.same(odd, [], `${how} at call ${at}`);
        await run(chain);
        t.match((await chain.read())?.doc.state, done, `${how} at call ${at}, then the same again`);
        if ((await findings(chain)).length > 0) t.same(await findings(chain), []);
      }
    }
    t.comment(`${points} crash points`);
    t.ok(points >= 8);
  });
}

t.test('import', async (t) => {
  const lines: string[] = [];
  for await (const line of backupLines(open(await begun()))) lines.push(line);
  const backup = parseBackup(lines.join(''));
  for (const how of ['crash-before', 'crash-after'] as const) {
    for (let at = 1, fired = 1; fired > 0; at += 1) {
      const store = new MemoryStore();
      const broken = new BreakingStore(store, [{ at, how }]);
      await breaking(() => restoreBackup(open(broken), backup, signal));
      ({ fired } = broken);
      await restoreBackup(open(store), backup, signal);
      const again: string[] = [];
      for await (const line of backupLines(open(store))) again.push(line);
      t.same(again, lines, `${how} at call ${at}`);
    }
  }
});

t.test('lock and unlock', async (t) => {
  const wishes = { owner: 'o', ttlMs: 1, waitMs: 5_000 };
  for (const how of ['crash-before', 'crash-after', 'lost'] as const) {
    for (let at = 1, fired = 1; fired > 0; at += 1) {
      const store = new MemoryStore();
      const broken = new BreakingStore(store, [{ at, how }]);
      const leases = new Leases(broken, TABLE, signal);
      await breaking(async () => leases.release(await leases.acquire(wishes)));
      ({ fired } = broken);
      const after = new Leases(store, TABLE, signal);
      const taken = await after.acquire(wishes);
      t.ok(await after.release(taken), `${how} at call ${at}: it can be taken and given back`);
    }
  }
});
