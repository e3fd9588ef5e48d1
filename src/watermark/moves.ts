/**
 * What a person does to a chain, and no program by itself: moving the cursor, starting over, going back. Each is one
 * generation like any other, so the history stays; run again after a kill, each ends where it would have ended.
 */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { type Aside, moveAside } from './aside.js';
import type { Chain } from './chain.js';
import { linkOf } from './damage.js';
import { comparePositions, samePosition } from './position.js';
import { type Totals, emptyState, foldReset, foldRestored, foldSet, pendingAgain, totalsOf } from './state.js';

export interface Hand {
  run_id: string;
  /** Kept in the history. */
  reason?: string;
}

export interface Moved {
  /** The generation that says so; null when there was nothing to do. */
  generation: number | null;
  from: Position | null;
  to: Position | null;
}

/** Moves the cursor. 64 for a position that is, or may be, before the current one, unless `rewind` allows it. */
export async function setCursor(chain: Chain, to: Position, rewind: boolean, hand: Hand): Promise<Moved> {
  let from: Position | null = null;
  const link = await chain.commit(async (tail, _next, at) => {
    const state = (await linkOf(tail, chain))?.doc.state ?? emptyState(at);
    from = state.cursor;
    if (!rewind) demandForward(chain.table, from, to);
    // A prefix, or as many values as the cursor had: the columns stay what they were.
    const columns = to.length === state.cursor_columns.length ? state.cursor_columns : [];
    return { kind: 'set', ...hand, from, to, state: foldSet(state, to, columns, at) };
  });
  return { generation: link?.doc.generation ?? null, from, to };
}

function demandForward(table: string, from: Position | null, to: Position): void {
  const order = comparePositions(from, to);
  if (order === -1 || order === 0) return;
  const [stands, asked] = [JSON.stringify(from), JSON.stringify(to)];
  const what = order === 1 ? `this goes back to ${asked}` : `nothing proves that it comes before ${asked}`;
  throw new Failure('usage', `${table} stands at ${stands}; ${what}`, {
    hint: 'Rows would be read again: add --force-rewind (and --reason) if that is meant.',
  });
}

/** Back to the beginning; nothing happens to a table that has no chain. */
export async function reset(chain: Chain, hand: Hand): Promise<Moved> {
  let from: Position | null = null;
  const link = await chain.commit(async (tail, next, at) => {
    const state = (await linkOf(tail, chain))?.doc.state;
    if (!state) return undefined;
    from = state.cursor;
    return { kind: 'reset', ...hand, from, state: foldReset(state, next, at) };
  });
  return { generation: link?.doc.generation ?? null, from, to: null };
}

/** Back to the beginning of a chain that may be unreadable: it is moved aside, and the numbers go on. */
export async function forceReset(
  chain: Chain,
  hand: Hand,
  signal: AbortSignal,
): Promise<Aside & { generation: number }> {
  const link = await chain.commit((_tail, _next, at) => ({ kind: 'force-reset', ...hand, state: emptyState(at) }));
  const generation = link?.doc.generation ?? 0;
  return { generation, ...(await moveAside(chain, generation, signal)) };
}

/** The state of an earlier generation again, except that what was loaded since stays loaded. 66 when it is unknown. */
export async function restore(chain: Chain, about: number, hand: Hand): Promise<Moved> {
  const { state: earlier, chain: id } = (await chain.generation(about)).doc;
  let from: Position | null = null;
  const link = await chain.commit(async (tail, generation, at) => {
    // The newest generation may be the damaged one: then the earlier state is all there is to go by.
    const newest = tail?.link?.doc;
    if (newest && newest.chain !== id) throw setAside(chain.table, about);
    const state = newest?.state;
    from = state?.cursor ?? null;
    const left: Totals = { files: 0, rows: 0, bytes: 0 };
    for await (const one of chain.pending(pendingAgain(state, earlier))) {
      const { files, rows, bytes } = totalsOf(one.receipts);
      left.files += files;
      left.rows += rows;
      left.bytes += bytes;
    }
    const folded = foldRestored(state, { generation, earlier, left, at });
    return { kind: 'restored', ...hand, chain: id, about, from, to: earlier.cursor, state: folded };
  });
  return { generation: link?.doc.generation ?? null, from, to: earlier.cursor };
}

function setAside(table: string, about: number): Failure {
  return new Failure('no-input', `generation ${about} of ${table} was moved aside by a force-reset`);
}

/** A position of the system before this one, for a table without a chain; 80 when it has one that says anything else. */
export async function takeOver(chain: Chain, to: Position | null, run_id: string): Promise<Moved> {
  const link = await chain.commit(async (tail, _next, at) => {
    const newest = (await linkOf(tail, chain))?.doc;
    if (newest?.kind === 'imported' && samePosition(newest.to, to)) return undefined;
    if (newest) {
      throw new Failure('conflict', `${chain.table} already has a watermark`, { hint: 'To move it use `wm set`.' });
    }
    const reason = 'taken over from an older watermark file';
    return { kind: 'imported', run_id, reason, to, state: foldSet(emptyState(at), to, [], at) };
  });
  return { generation: link?.doc.generation ?? null, from: null, to };
}
