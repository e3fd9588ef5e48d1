/**
 * Pruning: old generations become one file of lines below `_packed/`, to the byte, so that history, audit and
 * cleaning still know every object, while the folder stays short. The pack exists before anything is removed.
 */
import { packedLine, parsed } from './archive.js';
import type { Chain } from './chain.js';
import { Failure } from '../errors.js';
import { type Generation, parseGeneration } from './generation.js';
import { FILE_BYTES, generationName } from './store.js';

export interface PackPlan {
  first: number;
  last: number;
  /** The chain they belong to: a force-reset begins another. */
  chain: string;
}

/** Most generations in one pack; its size stays far below what is read at once. */
const PACK_FILES = 1000;
const PACK_BYTES = FILE_BYTES / 4;

/** What pruning would pack: everything but the newest `keep`, what is pending, and what is younger than `beforeMs`. */
export async function planPack(chain: Chain, keep: number, beforeMs: number): Promise<PackPlan | undefined> {
  const newest = await chain.read();
  if (!newest) return undefined;
  const { generation, state, chain: id } = newest.doc;
  const pending = state.pending[0]?.[0] ?? generation;
  const limit = Math.min(generation - keep, pending - 1, generation - 1);
  let plan: PackPlan | undefined;
  let bytes = 0;
  for await (const file of chain.filesInPlace()) {
    if (file.generation > limit || (plan && file.generation - plan.first >= PACK_FILES)) break;
    const { doc } = parseGeneration(file.bytes, chain.table, file.generation);
    // What a force-reset has not moved away yet is of another chain (model seed 624499774): a pack would keep it here.
    if (doc.chain !== id) continue;
    bytes += file.bytes.length;
    if (Date.parse(doc.written_at) > beforeMs || bytes > PACK_BYTES) break;
    plan = { first: plan?.first ?? file.generation, last: file.generation, chain: id };
  }
  return plan;
}

/** Packs and removes; killed in between and run again, it goes on. Resolves to the pack's URL. */
export async function pack(chain: Chain, plan: PackPlan, signal: AbortSignal): Promise<string> {
  const { store, folder } = chain;
  const lines: string[] = [];
  for (let at = plan.first; at <= plan.last; at += 1) {
    const bytes = await store.read(`${folder}/${generationName(at)}`, signal);
    if (!bytes) throw new Failure('conflict', `generation ${at} of ${chain.table} vanished: another prune is running`);
    lines.push(packedLine(bytes));
  }
  const name = `${folder}/_packed/${generationName(plan.last)}`;
  const { outcome } = await store.create(name, Buffer.from(lines.join('')), signal);
  if (outcome === 'exists') await demandHeld(chain, name, plan);
  // A force-reset that is committed by now may have moved packs aside before this one was there; a later one finds it.
  if ((await chain.read())?.doc.chain !== plan.chain) {
    await store.remove(name, signal);
    throw new Failure('conflict', `${chain.table} was force-reset meanwhile; nothing was pruned`);
  }
  for (let at = plan.first; at <= plan.last; at += 1) await store.remove(`${folder}/${generationName(at)}`, signal);
  return `${store.url}${store.url.endsWith('/') ? '' : '/'}${name}`;
}

/** A pack of that name from an earlier attempt holds the same generations, or more: nothing is removed otherwise. */
async function demandHeld(chain: Chain, name: string, plan: PackPlan): Promise<void> {
  for (let at = plan.first; at <= plan.last; at += 1) {
    if (!(await chain.archive.file(at)))
      throw new Failure('data', `${chain.store.url}${name} exists and lacks generation ${at}`);
  }
}

/** Every generation ever committed that is still known, oldest first: packed ones, then those in place. */
export function everyGeneration(chain: Chain): AsyncGenerator<Generation> {
  return parsed(chain.files(), chain.table);
}
