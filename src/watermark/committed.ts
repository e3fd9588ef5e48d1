/** Recognising what the chain already holds: the same receipts delivered twice are passed on, not stored twice. */
import type { Receipt } from '../receipt.js';
import type { Chain } from './chain.js';
import type { Generation } from './generation.js';
import { comparePositions, samePosition } from './position.js';

/** Generations looked through, newest first, for a receipt; older ones are taken for unknown. */
const LOOK_BACK = 1000;

/** A reset or a move by hand: what was stored before it does not count as done after it. */
const BARRIERS = new Set(['reset', 'force-reset', 'set', 'restored', 'imported', 'rebuilt']);

/**
 * The generation that holds a receipt (same object, same content), or undefined. One request per generation looked
 * at; between two moves by hand a position is passed once, so the generation that begins where the receipt begins,
 * or the one that ends there, is the last that has to be looked at.
 */
export async function findCommitted(
  chain: Chain,
  receipt: Receipt,
  newest: Generation | undefined,
): Promise<number | undefined> {
  const stands = receipt.read === 'incremental' ? newest?.state.cursor : newest?.state.backfill?.to;
  if (stands !== undefined && comparePositions(stands, receipt.from) === -1) return undefined;
  for await (const doc of newestFirst(chain, newest)) {
    if (doc.receipts.some((one) => sameObject(one, receipt))) return doc.generation;
    if (doc.kind !== 'stored' || doc.read !== receipt.read) continue;
    const passed = doc.receipts.some((one) => samePosition(one.from, receipt.from));
    if (passed || samePosition(doc.to, receipt.from)) return undefined;
  }
  return undefined;
}

/** The newest stored generation, if it is a snapshot of exactly these objects. */
export async function findSnapshot(
  chain: Chain,
  receipts: readonly Receipt[],
  newest: Generation | undefined,
): Promise<number | undefined> {
  for await (const doc of newestFirst(chain, newest)) {
    if (doc.kind !== 'stored' || doc.receipts.length === 0) continue;
    return doc.read === 'snapshot' && sameObjects(doc.receipts, receipts) ? doc.generation : undefined;
  }
  return undefined;
}

async function* newestFirst(chain: Chain, newest: Generation | undefined): AsyncGenerator<Generation> {
  let doc = newest;
  for (let seen = 0; doc && !BARRIERS.has(doc.kind) && seen < LOOK_BACK; seen += 1) {
    yield doc;
    doc = doc.generation > 1 ? (await chain.find(doc.generation - 1))?.doc : undefined;
  }
}

/** The same objects with the same content, in the same order. */
export function sameObjects(some: readonly Receipt[], others: readonly Receipt[]): boolean {
  return some.length === others.length && some.every((one, i) => sameObject(one, others[i]));
}

function sameObject(a: Receipt, b: Receipt | undefined): boolean {
  return a.url === b?.url && a.crc32 === b.crc32 && a.bytes === b.bytes;
}
