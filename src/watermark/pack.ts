/**
 * Pruning: old generations become one file of lines below `_packed/`, to the byte, so that history, audit and
 * cleaning still know every object, while the folder stays short. The pack exists before anything is removed.
 */
import type { Chain } from './chain.js';
import { Failure } from '../errors.js';
import { parseGeneration, type Generation } from './generation.js';
import { FILE_BYTES, generationName, generationOfName } from './store.js';

export interface PackPlan {
  first: number;
  last: number;
}

/** Most generations in one pack; its size stays far below what is read at once. */
const PACK_FILES = 1000;
const PACK_BYTES = FILE_BYTES / 4;

/** What pruning would pack: everything but the newest `keep`, what is pending, and what is younger than `beforeMs`. */
export async function planPack(chain: Chain, keep: number, beforeMs: number): Promise<PackPlan | undefined> {
  const newest = await chain.read();
  if (!newest) return undefined;
  const { generation, state } = newest.doc;
  const pending = state.pending[0]?.[0] ?? generation;
  const limit = Math.min(generation - keep, pending - 1, generation - 1);
  let plan: PackPlan | undefined;
  let bytes = 0;
  for await (const file of chain.files()) {
    if (file.generation > limit || (plan && file.generation - plan.first >= PACK_FILES)) break;
    const { doc } = parseGeneration(file.bytes, chain.table, file.generation);
    bytes += file.bytes.length;
    if (Date.parse(doc.written_at) > beforeMs || bytes > PACK_BYTES) break;
    plan = { first: plan?.first ?? file.generation, last: file.generation };
  }
  return plan;
}

/** Packs and removes; killed in between and run again, it goes on. Resolves to the pack's name. */
export async function pack(chain: Chain, plan: PackPlan, signal: AbortSignal): Promise<string> {
  const { store, folder } = chain;
  const lines: string[] = [];
  for (let at = plan.first; at <= plan.last; at += 1) {
    const bytes = await store.read(`${folder}/${generationName(at)}`, signal);
    if (!bytes) throw new Failure('conflict', `generation ${at} of ${chain.table} vanished: another prune is running`);
    lines.push(`${JSON.stringify(Buffer.from(bytes).toString('utf8'))}\n`);
  }
  const name = `${folder}/_packed/${generationName(plan.last)}`;
  const content = Buffer.from(lines.join(''));
  const { outcome } = await store.create(name, content, signal);
  if (outcome === 'exists') await demandHeld(chain, name, plan, signal);
  for (let at = plan.first; at <= plan.last; at += 1) await store.remove(`${folder}/${generationName(at)}`, signal);
  return name;
}

/** A pack of that name from an earlier attempt holds the same generations, or more: nothing is removed otherwise. */
async function demandHeld(chain: Chain, name: string, plan: PackPlan, signal: AbortSignal): Promise<void> {
  const held = new Set<number>();
  for (const { generation } of await unpacked(chain, name, signal)) held.add(generation);
  for (let at = plan.first; at <= plan.last; at += 1) {
    if (!held.has(at)) throw new Failure('data', `${chain.store.url}${name} exists and lacks generation ${at}`);
  }
}

/** Every generation ever committed that is still known: packed ones first, then those in place. */
export async function* everyGeneration(chain: Chain, signal: AbortSignal): AsyncGenerator<Generation> {
  let last = 0;
  for (const { name } of await chain.store.list(`${chain.folder}/_packed`, '', signal)) {
    if (generationOfName(name) === undefined) continue;
    for (const doc of await unpacked(chain, `${chain.folder}/_packed/${name}`, signal)) {
      if (doc.generation > last) yield doc;
      last = Math.max(last, doc.generation);
    }
  }
  for await (const doc of chain.generationsAfter(last)) yield doc;
}

async function unpacked(chain: Chain, name: string, signal: AbortSignal): Promise<Generation[]> {
  const bytes = (await chain.store.read(name, signal)) ?? Buffer.of();
  const lines = Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => {
    const file = JSON.parse(line) as string;
    const number = Number(/"generation": ([0-9]+)/.exec(file)?.[1]);
    return parseGeneration(Buffer.from(file), chain.table, number).doc;
  });
}
