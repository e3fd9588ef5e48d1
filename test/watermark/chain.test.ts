/**
 * The chain against a model: random commands, a crash between any two I/O calls, answers that get lost. Whatever
 * happens, the chain is in one of the states the model allows, and the same command again brings it to the end.
 */
import fc from 'fast-check';
import t from 'tap';
import { Failure } from '../../src/errors.js';
import { advance } from '../../src/watermark/advance.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { sha256 } from '../../src/watermark/generation.js';
import { foldReset, foldRestored, foldSet, pendingAgain, emptyState, totalsOf } from '../../src/watermark/state.js';
import { type Break, BreakingStore, Crash, MemoryStore } from './memory-store.js';
import { ROWS, bytesOf, linesOf, positionAt, receiptsFrom } from './receipts.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const TABLE = 'shop.orders';
const signal = new AbortController().signal;

type Action =
  | { do: 'advance'; count: number; flush: number; cut: boolean }
  | { do: 'wrong'; off: number }
  | { do: 'replay' }
  | { do: 'set'; to: number }
  | { do: 'reset' }
  | { do: 'restore'; pick: number }
  | { do: 'loaded'; pick: number };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      count: fc.integer({ min: 1, max: 5 }),
      flush: fc.integer({ min: 1, max: 3 }),
      cut: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wrong' as const), off: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('set' as const), to: fc.integer({ min: 1, max: 30 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restore' as const), pick: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('loaded' as const), pick: fc.nat(100) }) },
);

const breaks = fc.array(
  fc.record({
    at: fc.integer({ min: 1, max: 12 }),
    how: fc.constantFrom('crash-before', 'crash-after', 'lost', 'fail'),
  }) as fc.Arbitrary<Break>,
  { maxLength: 2 },
);

interface Model {
  at: number;
  extracted: number;
  loadedRows: number;
  /** Receipt urls stored and not loaded, with the generation that holds each. */
  pending: readonly { url: string; generation: number }[];
}

class World {
  readonly store = new MemoryStore(true, 7);
  model: Model = { at: 0, extracted: 0, loadedRows: 0, pending: [] };
  /** The model after each generation, by number. */
  readonly past: Model[] = [];
  readonly everLoaded = new Set<string>();
  run = 0;
  fired = 0;
  lastLines = '';
  lastUrls: string[] = [];
  barrier = false;

  chain(list: readonly Break[] = []): { chain: Chain; wrapped: BreakingStore } {
    const wrapped = new BreakingStore(this.store, list);
    return { chain: openChain(wrapped, TABLE, { by: 'test', signal, patienceMs: 2_000 }), wrapped };
  }

  /** Takes over into the model what the chain says, after checking that it is allowed. */
  async sync(t: Tap.Test): Promise<void> {
    const link = await this.chain().chain.read();
    const generation = link?.doc.generation ?? 0;
    for (let at = this.past.length + 1; at <= generation; at += 1) {
      const { doc } = await this.chain().chain.generation(at);
      const before = this.model;
      if (doc.kind === 'stored') {
        const urls = doc.receipts.map(({ url }) => ({ url, generation: at }));
        this.model = {
          ...before,
          at: Number(doc.to?.[0] ?? 0),
          extracted: before.extracted + urls.length * ROWS,
          pending: [...before.pending, ...urls],
        };
      } else if (doc.kind === 'loaded') {
        const through = doc.about ?? 0;
        const done = before.pending.filter((one) => one.generation <= through);
        for (const { url } of done) this.everLoaded.add(url);
        this.model = {
          ...before,
          loadedRows: before.loadedRows + done.length * ROWS,
          pending: before.pending.filter((one) => one.generation > through),
        };
      } else if (doc.kind === 'set') this.model = { ...before, at: Number(doc.to?.[0]) };
      else if (doc.kind === 'reset') this.model = { at: 0, extracted: 0, loadedRows: 0, pending: [] };
      else {
        const earlier = this.past[(doc.about ?? 1) - 1] ?? before;
        const pending = earlier.pending.filter(({ url }) => !this.everLoaded.has(url));
        const since = earlier.pending.length - pending.length;
        this.model = { ...earlier, loadedRows: earlier.loadedRows + since * ROWS, pending };
      }
      this.past.push(this.model);
      t.same(
        [
          doc.state.cursor,
          doc.state.mysql_rows_extracted,
          doc.state.redshift_rows_loaded,
          doc.state.pending_files,
          doc.state.pending_rows,
        ],
        [
          positionAt(this.model.at),
          this.model.extracted,
          this.model.loadedRows,
          this.model.pending.length,
          this.model.pending.length * ROWS,
        ],
        `generation ${at}, ${doc.kind}`,
      );
    }
  }

  async checkLinks(t: Tap.Test): Promise<void> {
    let before: string | null = null;
    let expected = 1;
    for await (const { generation, bytes } of this.chain().chain.files()) {
      t.equal(generation, expected, 'numbers have no gap');
      const { doc } = await this.chain().chain.generation(generation);
      t.equal(doc.prev_sha256, before, `generation ${generation} names the one before it`);
      before = sha256(bytes);
      expected += 1;
    }
    const pending: string[] = [];
    for await (const one of this.chain().chain.pending()) pending.push(...one.receipts.map(({ url }) => url));
    t.same(
      pending,
      this.model.pending.map(({ url }) => url),
      'pending receipts, in order',
    );
  }
}

declare namespace Tap {
  type Test = { same(a: unknown, b: unknown, m?: string): boolean; equal(a: unknown, b: unknown, m?: string): boolean };
}

/** Runs the codec to its end; resolves to the urls passed on. */
async function deliver(chain: Chain, text: string, flushFiles: number): Promise<string[]> {
  const passed: string[] = [];
  for await (const line of advance(chain, { flushMs: 60_000, flushFiles, runId: 'x' })(bytesOf(text), signal)) {
    const item = JSON.parse(line) as { type: string; url: string; generation?: number };
    if (item.type === 'object' && item.generation) passed.push(item.url);
  }
  return passed;
}

async function perform(world: World, chain: Chain, one: Action, run: string): Promise<void> {
  const at = world.model.at;
  if (one.do === 'advance') {
    const receipts = receiptsFrom(at, one.count, run);
    world.lastLines = linesOf(receipts);
    world.barrier = false;
    await deliver(chain, linesOf(receipts, one.cut), one.flush);
  }
  if (one.do === 'wrong') await deliver(chain, linesOf(receiptsFrom(at + one.off, 2, run)), 1);
  if (one.do === 'replay' && world.lastLines) await deliver(chain, world.lastLines, 2);
  if (one.do === 'loaded') await chain.commitLoaded(1 + (one.pick % Math.max(1, world.past.length)), { run_id: run });
  if (one.do === 'set') {
    world.barrier = true;
    await chain.commit((tail, _next, when) => {
      const state = foldSet(tail?.link?.doc.state ?? emptyState(when), [String(one.to)], ['id'], when);
      return { kind: 'set', run_id: run, to: [String(one.to)], state };
    });
  }
  if (one.do === 'reset') {
    world.barrier = true;
    await chain.commit((tail, next, when) =>
      tail?.link ? { kind: 'reset', run_id: run, state: foldReset(tail.link.doc.state, next, when) } : undefined,
    );
  }
  if (one.do === 'restore' && world.past.length > 0) {
    world.barrier = true;
    const about = 1 + (one.pick % world.past.length);
    const earlier = (await chain.generation(about)).doc.state;
    await chain.commit(async (tail, next, when) => {
      const state = tail?.link?.doc.state;
      const receipts = [];
      for await (const doc of chain.pending(pendingAgain(state, earlier))) receipts.push(...doc.receipts);
      return {
        kind: 'restored',
        run_id: run,
        about,
        to: earlier.cursor,
        state: foldRestored(state, { generation: next, earlier, left: totalsOf(receipts), at: when }),
      };
    });
  }
}

const RUNS = Number(process.env.TABLEPIPE_TEST_RUNS ?? 80);

t.test('any sequence of commands, crashes and lost answers leaves a chain the model allows', async (t) => {
  let fired = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(action, breaks), { minLength: 1, maxLength: 15 }), async (steps) => {
      const world = new World();
      const quiet = { same: same(), equal: equal() };
      for (const [one, list] of steps) {
        const run = `run${(world.run += 1)}`;
        const before = world.model;
        const length = world.past.length;
        const { chain, wrapped } = world.chain(list);
        let error: unknown;
        try {
          await perform(world, chain, one, run);
        } catch (caught) {
          error = caught;
        }
        fired += wrapped.fired;
        if (error !== undefined && !(error instanceof Crash) && !(error instanceof Failure)) throw error;
        await world.sync(quiet);
        const kind = error instanceof Failure ? error.kind : undefined;
        if (kind === 'temporary' || kind === 'internal') throw error;
        if (one.do === 'wrong' && !(error instanceof Crash)) {
          if (kind !== 'conflict' || world.past.length !== length) throw new Error('a wrong start was not refused');
        }
        if (
          one.do === 'replay' &&
          world.past.length > length &&
          !world.barrier &&
          !(error instanceof Crash) &&
          before.at === world.model.at
        ) {
          // Only the closing generation of a run that was cut may be added; its receipts never twice.
          if (world.model.extracted !== before.extracted) throw new Error('a replay was stored twice');
        }
        if (one.do === 'advance') {
          const wanted = before.at + one.count;
          if (error instanceof Crash) {
            // The same line again: what is left is extracted from where the chain stands.
            const left = wanted - world.model.at;
            if (left > 0)
              await deliver(world.chain().chain, linesOf(receiptsFrom(world.model.at, left, run)), one.flush);
            await world.sync(quiet);
          } else if (one.cut !== (kind === 'truncated'))
            throw error ?? new Error('a cut stream was taken for complete');
          if (world.model.at !== wanted || world.model.extracted !== before.extracted + one.count * ROWS)
            throw new Error('rows were lost or counted twice');
        }
      }
      await world.checkLinks(quiet);
    }),
    { numRuns: RUNS, verbose: 1 },
  );
  t.ok(fired > RUNS / 4, `${fired} faults fired`);
});

function same() {
  return (a: unknown, b: unknown, m = ''): boolean => {
    if (JSON.stringify(a) !== JSON.stringify(b))
      throw new Error(`${m}: ${JSON.stringify(a)} is not ${JSON.stringify(b)}`);
    return true;
  };
}

function equal() {
  return same();
}

t.test('a race of two runs: one goes on, the other stops with 80 and changed nothing', async (t) => {
  for (let round = 0; round < 40; round += 1) {
    const world = new World();
    const runs = ['a', 'b', 'c'].map((run) =>
      deliver(world.chain().chain, linesOf(receiptsFrom(0, 3, run)), 1 + (round % 3)),
    );
    const ended = await Promise.allSettled(runs);
    t.equal(ended.filter(({ status }) => status === 'fulfilled').length, 1, 'one winner');
    for (const one of ended) if (one.status === 'rejected') t.equal((one.reason as Failure).kind, 'conflict');
    const writers = new Set<string>();
    for await (const doc of world.chain().chain.generationsAfter(0)) writers.add(doc.run_id);
    t.equal(writers.size, 1, 'every generation is of the winner');
  }
});

t.test('`loaded` by another program commutes with advance', async (t) => {
  const world = new World();
  await deliver(world.chain().chain, linesOf(receiptsFrom(0, 2, 'first')), 1);
  const slow = advance(world.chain().chain, { flushMs: 60_000, flushFiles: 1, runId: 'x' })(
    bytesOf(linesOf(receiptsFrom(2, 2, 'second'))),
    signal,
  );
  const items = slow[Symbol.asyncIterator]();
  await items.next();
  t.ok(await world.chain().chain.commitLoaded(2, { run_id: 'load' }));
  while (!(await items.next()).done);
  const state = (await world.chain().chain.read())?.doc.state;
  t.match(state, {
    cursor: ['4'],
    loaded_generation: 2,
    loaded_cursor: ['2'],
    pending_files: 2,
    mysql_rows_extracted: 40,
  });
  t.equal(await world.chain().chain.commitLoaded(2, { run_id: 'load' }), undefined, 'twice is a no-op');
});
