/**
 * A lost chain again, from what each object says about itself. Objects join by `from` and `to`: the objects of a first
 * load by key, those of the reads after it by cursor, which began at the first load's bound.
 */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import type { Chain, Propose } from './chain.js';
import { sameObjects } from './committed.js';
import { randomId } from './generation.js';
import type { Objects } from './objects.js';
import { comparePositions } from './position.js';
import { type State, emptyState, foldStored } from './state.js';

export interface Rebuilt {
  /** The objects of the first load, in key order; empty when the table was read in cursor order from the start. */
  backfill: readonly Receipt[];
  /** The unbroken series of reads in cursor order. */
  incremental: readonly Receipt[];
  /** Places where objects of the first load are missing, because they were cleaned or lost. */
  gaps: number;
  /** Objects of the table in neither: written by runs that never committed, or repeated. */
  outside: readonly string[];
}

/**
 * Reads the footers of all objects below a folder. Where several series could be the one, the one that begins first
 * is taken, and where two objects begin at the same place, the one from which more objects follow: a cursor that is
 * too low repeats work, one that is too high loses rows. Reads in cursor order from a bound on prove that the first
 * load before them was complete. 66 when no series can be proven. Memory: one receipt per object.
 */
export async function rebuild(objects: Objects, folder: string, table: string, runId: string): Promise<Rebuilt> {
  const found = await receiptsBelow(objects, folder, table, runId);
  const loads = found.filter(({ read }) => read === 'backfill');
  const [incremental = []] = allSeries(found.filter(({ read }) => read === 'incremental'));
  if (incremental.length === 0) throw nothingProven(table, folder, loads.length);
  const pieces = incremental[0]?.from === null ? [] : allSeries(loads);
  const backfill = pieces.flat();
  const gaps = Math.max(0, pieces.length - (pieces[0]?.[0]?.from === null ? 1 : 0));
  const inside = new Set([...backfill, ...incremental].map(({ url }) => url));
  const outside = found.map(({ url }) => url).filter((url) => !inside.has(url));
  return { backfill: numbered(backfill), incremental: numbered(incremental, backfill.length), gaps, outside };
}

/** The state those objects add up to: all of them pending. */
export function rebuiltState(
  { backfill, incremental }: Pick<Rebuilt, 'backfill' | 'incremental'>,
  generation: number,
  at: string,
): State {
  let state = emptyState(at);
  for (const receipts of [backfill, incremental]) {
    const last = receipts.at(-1);
    if (!last) continue;
    const { read, cursor_columns, to, run_id } = last;
    const until = incremental[0]?.from?.[0] ?? null;
    state = foldStored(state, {
      generation,
      run_id,
      read,
      cursor_columns,
      receipts,
      to,
      until,
      limited: false,
      status: 'success',
      at,
    });
  }
  return state;
}

/** The result of {@link rebuildChain}; `generation` is null when nothing was to be committed. */
export interface RebuiltChain extends Rebuilt {
  receipts: readonly Receipt[];
  generation: number | null;
  /** True when the chain already was what its objects add up to, as after a kill. */
  noop: boolean;
}

/**
 * Commits what the objects prove, to a table that has no chain or only the end of a force-reset one. 80 when it has
 * another.
 */
export async function rebuildChain(
  chain: Chain,
  objects: Objects,
  folder: string,
  { run_id, dryRun }: { run_id: string; dryRun: boolean },
): Promise<RebuiltChain> {
  const tail = await chain.tail();
  const newest = tail?.link?.doc;
  if (tail && newest?.kind !== 'force-reset' && newest?.kind !== 'rebuilt') throw exists(chain.table);
  const found = await rebuild(objects, folder, chain.table, run_id);
  const receipts = [...found.backfill, ...found.incremental];
  if (newest?.kind === 'rebuilt') {
    if (!sameObjects(newest.receipts, receipts)) throw exists(chain.table);
    return { ...found, receipts, generation: newest.generation, noop: true };
  }
  const { to = null, cursor_columns = [] } = found.incremental.at(-1) ?? {};
  const commit: Propose = (_tail, next, at) => {
    const state = rebuiltState(found, next, at);
    return { kind: 'rebuilt', run_id, read: 'incremental', cursor_columns, from: null, to, receipts, state };
  };
  const link = dryRun ? undefined : await chain.commit(commit, tail ?? null);
  return { ...found, receipts, generation: link?.doc.generation ?? null, noop: false };
}

function exists(table: string): Failure {
  return new Failure('conflict', `${table} has a chain`, {
    hint: `If it is damaged, \`wm force-reset ${table}\` first.`,
  });
}

async function receiptsBelow(objects: Objects, folder: string, table: string, run_id: string): Promise<Receipt[]> {
  const found: Receipt[] = [];
  for await (const url of objects.below(folder)) {
    const look = await objects.look(url);
    const about = look && (await objects.provenance(url));
    if (!look || about?.table !== table || about.to === null) continue;
    const { primary_key, cursor_columns, from, to, rows, schema_id, read } = about;
    const crc32 = look.crc32 ?? (await objects.checksum(url));
    const place = { table, url, bytes: look.bytes, rows, etag: look.etag ?? '', crc32, schema_id };
    const ids = { run_id, seq: 0, write_id: randomId() };
    found.push({ type: 'object', v: 1, ...ids, ...place, read, primary_key, cursor_columns, from, to });
  }
  return found;
}

function numbered(receipts: readonly Receipt[], start = 0): Receipt[] {
  return receipts.map((receipt, n) => ({ ...receipt, seq: start + n }));
}

function nothingProven(table: string, folder: string, backfilled: number): Failure {
  const hint = 'Extract it from the start; objects that are there already are not written twice.';
  if (backfilled === 0)
    return new Failure('no-input', `there is no Parquet object of ${table} below ${folder}`, { hint });
  const message = `below ${folder} are only objects of the first load of ${table}, and they do not say up to which time they were read`;
  return new Failure('no-input', message, { hint });
}

/** One series for each place where no other object ends, in the order of where they begin; the longer of equals first. */
function allSeries(found: readonly Receipt[]): Receipt[][] {
  const ends = new Set(found.map(({ to }) => JSON.stringify(to)));
  const starts = new Map(found.map(({ from }) => [JSON.stringify(from), from]));
  const open = [...starts].filter(([key]) => !ends.has(key)).map(([, from]) => from);
  const all = open.map((from) => seriesFrom(from, found));
  return all.sort((a, b) => comparePositions(a[0]?.from ?? null, b[0]?.from ?? null) || b.length - a.length);
}

/** The longest series from a position on, each object beginning where the one before it ends. */
export function seriesFrom(start: Position | null, found: readonly Receipt[]): Receipt[] {
  const starting = new Map<string, Receipt[]>();
  for (const receipt of found) {
    const key = JSON.stringify(receipt.from);
    starting.set(key, [...(starting.get(key) ?? []), receipt]);
  }
  const following = new Map<string, { length: number; next: Receipt | undefined }>();
  const measure = (start: string): void => {
    // Depth first without recursion: a series may be 100,000 objects long.
    const stack = [start];
    const open = new Set<string>();
    while (stack.length > 0) {
      const key = stack.at(-1) ?? '';
      const nexts = starting.get(key) ?? [];
      const unmeasured = nexts
        .map((receipt) => JSON.stringify(receipt.to))
        .filter((to) => !following.has(to) && !open.has(to));
      if (unmeasured.length > 0 && !open.has(key)) {
        open.add(key);
        stack.push(...unmeasured);
        continue;
      }
      stack.pop();
      let best: { length: number; next: Receipt | undefined } = { length: 0, next: undefined };
      for (const next of nexts) {
        const length = 1 + (following.get(JSON.stringify(next.to))?.length ?? 0);
        if (length > best.length) best = { length, next };
      }
      following.set(key, best);
    }
  };
  const first = JSON.stringify(start);
  measure(first);
  const series = new Set<Receipt>();
  // Positions only grow, unless files lie: a circle ends where it began.
  for (let at = following.get(first)?.next; at && !series.has(at); at = following.get(JSON.stringify(at.to))?.next) {
    series.add(at);
  }
  return [...series];
}
