/**
 * Every command of `wm` as the model sees it: how it is drawn, how the real code runs it, and what has to come of it.
 * Where a process died, the same command is run again; `goal` is what it wanted before that.
 */
import { basename } from 'node:path';
import fc from 'fast-check';
import { Failure, type Kind } from '../../src/errors.js';
import { type Receipt, receiptLine } from '../../src/receipt.js';
import { advance } from '../../src/watermark/advance.js';
import { audit } from '../../src/watermark/audit.js';
import { backupLines, parseBackup, restoreBackup } from '../../src/watermark/backup.js';
import { Leases } from '../../src/watermark/lease.js';
import { forceReset, reset, restore, setCursor, takeOver } from '../../src/watermark/moves.js';
import { pack, planPack } from '../../src/watermark/pack.js';
import { PatientStore } from '../../src/watermark/patient-store.js';
import { tryStore } from '../../src/watermark/probe.js';
import { rebuildChain } from '../../src/watermark/rebuild.js';
import { generationName, generationOfName } from '../../src/watermark/store.js';
import { type Break, BreakingStore } from './memory-store.js';
import { ROWS, bytesOf, endOf, positionAt, receiptsFrom } from './receipts.js';
import { ClockedStore, type Known, NOTHING, TABLE, type World, demandSame } from './world.js';

export type Action =
  | { do: 'advance' | 'backfill' | 'snapshot'; count: number; flush: number; cut: boolean; until: number }
  | { do: 'wrong'; off: number }
  | { do: 'set'; to: number; rewind: boolean }
  | { do: 'restore' | 'loaded'; pick: number }
  | { do: 'prune'; keep: number }
  | { do: 'take-over'; to: number }
  | { do: 'replay' | 'reset' | 'force-reset' | 'rebuild' | 'export and import' | 'lose' }
  | { do: 'look' | 'verify' | 'probe' | 'lock' | 'unlock' | 'force-unlock' | 'run' | 'wait' };

export type Verb = Action['do'];

const number = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const reading = (verb: 'advance' | 'backfill' | 'snapshot'): fc.Arbitrary<Action> =>
  fc.record({
    do: fc.constant(verb),
    count: number(1, 4),
    flush: number(1, 3),
    cut: fc.boolean(),
    until: number(1, 30),
  });
const alone = (verb: Verb): fc.Arbitrary<Action> => fc.constant({ do: verb } as Action);

/** How often each is drawn, and with what. */
export const ARBITRARIES: Readonly<Record<Verb, readonly [weight: number, fc.Arbitrary<Action>]>> = {
  advance: [8, reading('advance')],
  backfill: [2, reading('backfill')],
  snapshot: [1, reading('snapshot')],
  wrong: [1, fc.record({ do: fc.constant('wrong'), off: number(1, 3) })],
  replay: [1, alone('replay')],
  set: [1, fc.record({ do: fc.constant('set'), to: number(1, 30), rewind: fc.boolean() })],
  reset: [1, alone('reset')],
  'force-reset': [1, alone('force-reset')],
  restore: [2, fc.record({ do: fc.constant('restore'), pick: fc.nat(100) })],
  loaded: [3, fc.record({ do: fc.constant('loaded'), pick: fc.nat(100) })],
  prune: [2, fc.record({ do: fc.constant('prune'), keep: number(1, 3) })],
  rebuild: [2, alone('rebuild')],
  'export and import': [1, alone('export and import')],
  'take-over': [1, fc.record({ do: fc.constant('take-over'), to: number(1, 30) })],
  lose: [1, alone('lose')],
  look: [1, alone('look')],
  verify: [1, alone('verify')],
  probe: [1, alone('probe')],
  lock: [1, alone('lock')],
  unlock: [1, alone('unlock')],
  'force-unlock': [1, alone('force-unlock')],
  run: [1, alone('run')],
  wait: [1, alone('wait')],
};

/** One command given once, and again when it died. */
export interface Attempt {
  /** The run id. */
  run: string;
  goal: Goal;
  /** The generation it speaks of, if it speaks of one. */
  about: number;
  /** What an import fills. */
  fresh: ClockedStore;
  /** Urls that advance passed on. */
  passed: string[];
}

/** What must be known in the end; undefined for what only has to be legal. `refused` is the kind of the failure. */
export interface Goal {
  known?: Known;
  refused?: Kind;
}

const HOUR_MS = 3_600_000;

/** Runs one command over the world's store, which goes wrong as `breaks` say; resolves to how many did. */
export async function perform(
  world: World,
  one: Action,
  attempt: Attempt,
  breaks: readonly Break[] = [],
  turn?: () => Promise<void>,
): Promise<number> {
  const inner = one.do === 'export and import' ? attempt.fresh : world.store;
  const broken = new BreakingStore(inner, breaks, turn);
  try {
    await commanded(world, one, attempt, broken);
    return broken.fired;
  } catch (error) {
    if (broken.fired > 0) Object.assign(error as Error, { fired: broken.fired });
    throw error;
  }
}

async function commanded(world: World, one: Action, attempt: Attempt, broken: BreakingStore): Promise<void> {
  const { run: run_id, fresh } = attempt;
  const { signal } = new AbortController();
  const chain = world.chain(broken);
  const hand = { run_id };
  if (one.do === 'advance' || one.do === 'backfill' || one.do === 'snapshot') await read(world, one, attempt, broken);
  if (one.do === 'wrong') await deliver(world, receiptsFrom(world.known.at + one.off, 2, run_id), attempt, broken, 1);
  if (one.do === 'replay' && world.lastLines) await deliverText(world, world.lastLines, attempt, broken, 2);
  if (one.do === 'set') await setCursor(chain, [String(one.to)], one.rewind, hand);
  if (one.do === 'reset') await reset(chain, hand);
  if (one.do === 'force-reset') await forceReset(chain, hand, signal);
  if (one.do === 'restore') await restore(chain, attempt.about, hand);
  if (one.do === 'loaded') await chain.commitLoaded(attempt.about, hand);
  if (one.do === 'take-over') await takeOver(chain, [String(one.to)], run_id);
  if (one.do === 'rebuild') await rebuildChain(chain, world.objects(broken), 's3://lake/', { run_id, dryRun: false });
  if (one.do === 'prune') {
    for (let plan; (plan = await planPack(chain, one.keep, world.store.now() + HOUR_MS)); )
      await pack(chain, plan, signal);
  }
  if (one.do === 'export and import' && world.newest > 0) {
    const lines: string[] = [];
    for await (const line of backupLines(world.chain())) lines.push(line);
    await restoreBackup(world.chain(broken), parseBackup(lines.join('')), signal);
    const again: string[] = [];
    for await (const line of backupLines(world.chain(fresh))) again.push(line);
    demandSame(again, lines, 'the export of an import');
    [world.store, world.lease] = [fresh, undefined];
  }
  if (one.do === 'lose') world.lose();
  if (one.do === 'look') {
    await broken.folders(signal).catch(passing);
    demandSame((await chain.read())?.doc.generation ?? 0, world.newest, 'the newest generation');
    for (let at = world.newest; at > 0 && (await chain.find(at)); at -= 1);
    for await (const _ of chain.pending());
  }
  if (one.do === 'verify') {
    for await (const found of audit(chain, { objects: world.objects(), read: true })) throw new Error(found.message);
  }
  if (one.do === 'probe') {
    const trials = await tryStore(broken, signal).catch(passing);
    if (broken.fired === 0)
      demandSame(
        trials?.filter(({ ok, name }) => !ok && name !== 'clock'),
        [],
        'trials that failed',
      );
  }
  if (one.do === 'wait') world.store.pass(2 * HOUR_MS);
  if (['lock', 'unlock', 'force-unlock', 'run'].includes(one.do)) await lease(world, one.do, attempt, broken);
}

/** What a store that did not answer may do to a command that asks only once. */
function passing(error: unknown): undefined {
  if (error instanceof Failure && error.kind === 'temporary') return undefined;
  throw error;
}

type Reading = Extract<Action, { do: 'advance' | 'backfill' | 'snapshot' }>;

/** Extracts what is left to the goal and delivers it; a snapshot is extracted as a whole again. */
async function read(world: World, one: Reading, attempt: Attempt, broken: BreakingStore): Promise<void> {
  const { known } = world;
  const goal = attempt.goal.known ?? known;
  const left = one.do === 'snapshot' ? one.count : (goal.extracted - known.extracted) / ROWS;
  const at = one.do === 'advance' ? known.at : one.do === 'backfill' ? (goal.backfill?.to ?? 0) - left : 0;
  const receipts = receiptsFrom(at, left, attempt.run).map((receipt): Receipt => {
    if (one.do === 'advance') return receipt;
    const url = receipt.url.replace('.parquet', `.${one.do}.parquet`);
    if (one.do === 'backfill') return { ...receipt, url, read: 'backfill', until: String(one.until) };
    return { ...receipt, url, read: 'snapshot', cursor_columns: [], from: null, to: null };
  });
  world.upload(receipts);
  const position = { read: one.do === 'advance' ? 'incremental' : one.do, from: positionAt(at) } as const;
  const lines = receipts.map(receiptLine).join('');
  const end = receiptLine(endOf(receipts, position));
  if (one.do === 'advance') world.lastLines = lines + end;
  await deliverText(world, one.cut ? lines : lines + end, attempt, broken, one.flush);
}

async function deliver(
  world: World,
  receipts: readonly Receipt[],
  attempt: Attempt,
  broken: BreakingStore,
  flushFiles: number,
): Promise<void> {
  world.upload(receipts);
  const lines = [...receipts, endOf(receipts)].map(receiptLine).join('');
  await deliverText(world, lines, attempt, broken, flushFiles);
}

/** Runs `wm advance` to its end. */
async function deliverText(
  world: World,
  text: string,
  { passed }: Attempt,
  broken: BreakingStore,
  flushFiles: number,
): Promise<void> {
  const codec = advance(world.chain(broken), { flushMs: 60_000, flushFiles, runId: 'x' });
  for await (const line of codec(bytesOf(text), new AbortController().signal)) {
    const item = JSON.parse(line) as { type: string; url: string };
    if (item.type === 'object') passed.push(item.url);
  }
}

/** A generation that was, or the number after the newest; 0 for a command that speaks of none. */
export function aboutOf({ newest }: World, one: Action): number {
  return one.do === 'restore' || one.do === 'loaded' ? 1 + (one.pick % (newest + 1)) : 0;
}

/** What may be packed is packed. Generations without receipts between the last loaded and the first pending may stay. */
export function demandPruned({ store, newest, known, loaded }: World, keep: number): void {
  const first = known.pending[0]?.generation;
  const done = [...loaded].filter((generation) => first !== undefined && generation < first);
  const limit = Math.min(newest - keep, first === undefined ? newest : Math.max(0, ...done));
  const names = [...store.files.keys()].filter((key) => key.startsWith(`${TABLE}/`)).map((key) => basename(key));
  const numbers = names.map((name) => generationOfName(name) ?? newest);
  const inPlace = numbers.filter((number) => number <= limit && store.files.has(`${TABLE}/${generationName(number)}`));
  demandSame(inPlace, [], `what pruning ${newest} generations left`);
}

async function lease(world: World, verb: Verb, { run }: Attempt, broken: BreakingStore): Promise<void> {
  const { signal } = new AbortController();
  const leases = new Leases(new PatientStore(broken, { patienceMs: 2_000, baseMs: 1 }), TABLE, signal);
  if (verb === 'force-unlock') await leases.clear(run);
  if (verb === 'unlock') {
    const found = await leases.newest();
    if (leases.isHeld(found) && found.token === world.lease?.token) await leases.release(found);
  }
  if (verb === 'unlock' || verb === 'force-unlock') return void (world.lease = undefined);
  let held = await leases.acquire({ owner: run, ttlMs: HOUR_MS, waitMs: 0 });
  if (verb === 'lock') return void (world.lease = { token: held.token, until: world.store.now() + HOUR_MS });
  for (let beat = 0; beat < 2; beat += 1) held = await leases.renew(held, HOUR_MS);
  await leases.release(held);
}

/** What the command must bring about, told before it runs. */
export function goalOf(world: World, one: Action): Goal {
  const { known, newest, last } = world;
  if (one.do === 'advance' || one.do === 'backfill' || one.do === 'snapshot') return readGoal(world, one);
  if (one.do === 'wrong') return { known, refused: 'conflict' };
  if (one.do === 'replay') return world.lastLines ? { known } : {};
  if (one.do === 'set')
    return !one.rewind && one.to < known.at ? { known, refused: 'usage' } : { known: { ...known, at: one.to } };
  if (one.do === 'reset' || one.do === 'force-reset') return { known: NOTHING };
  if (one.do === 'restore') {
    const about = aboutOf(world, one);
    return world.past.has(about) ? { known: world.restored(about) } : { known, refused: 'no-input' };
  }
  if (one.do === 'loaded') {
    const through = aboutOf(world, one);
    if (through > newest) return { known, refused: 'data' };
    const pending = known.pending.filter(({ generation }) => generation > through);
    const rows = (known.pending.length - pending.length) * ROWS;
    return { known: { ...known, pending, loadedRows: known.loadedRows + rows } };
  }
  if (one.do === 'take-over') {
    if (newest === 0) return { known: { ...NOTHING, at: one.to } };
    return last?.kind === 'imported' && last.to === one.to ? { known } : { known, refused: 'conflict' };
  }
  if (one.do === 'rebuild') return rebuildGoal(world);
  if (one.do === 'lose') return { known: NOTHING };
  const held = world.lease !== undefined && world.lease.until > world.store.now();
  return (one.do === 'lock' || one.do === 'run') && held ? { known, refused: 'conflict' } : { known };
}

function readGoal({ known }: World, one: Reading): Goal {
  const { count, cut } = one;
  const refused = cut ? ({ refused: 'truncated' } as const) : {};
  if (one.do === 'snapshot' && cut) return { known, ...refused };
  const coming = Array.from({ length: count }, () => ({ url: '', generation: 0 }));
  const stored = { ...known, extracted: known.extracted + count * ROWS, pending: [...known.pending, ...coming] };
  if (one.do === 'snapshot') return { known: stored };
  if (one.do === 'advance') return { known: { ...stored, at: known.at + count }, ...refused };
  const running = known.backfill?.done === false ? known.backfill : { to: 0, until: one.until };
  const backfill = { to: running.to + count, until: running.until, done: !cut };
  return { known: { ...stored, backfill, at: cut ? known.at : Math.max(known.at, backfill.until) }, ...refused };
}

/** The first series of incremental reads, and before it whatever there is of first loads. */
function rebuildGoal({ known, newest, last, lake }: World): Goal {
  // The same objects again are a no-op, others are refused: which ones it took where two begin alike, it alone knows.
  if (last?.kind === 'rebuilt') return {};
  if (newest > 0 && last?.kind !== 'force-reset') return { known, refused: 'conflict' };
  const starts = (read: string): Set<number> =>
    new Set([...lake.values()].filter((one) => one.read === read).map(({ from }) => Number(from?.[0] ?? 0)));
  const reads = starts('incremental');
  if (reads.size === 0) return { known, refused: 'no-input' };
  const from = Math.min(...reads);
  let at = from;
  while (reads.has(at)) at += 1;
  const loads = from === 0 ? new Set<number>() : starts('backfill');
  const objects = at - from + loads.size;
  const backfill = loads.size > 0 ? { to: Math.max(...loads) + 1, until: from, done: true } : null;
  const pending = Array.from({ length: objects }, () => ({ url: '', generation: 0 }));
  return { known: { at, extracted: objects * ROWS, loadedRows: 0, pending, backfill } };
}
