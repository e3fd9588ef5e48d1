/** Which objects the generations of a chain name, and whether they are in the warehouse. Reads only. */
import type { Chain } from './chain.js';
import { parseGeneration } from './generation.js';
import type { Ranges } from './state.js';

export interface Named {
  table: string;
  /** The newest generation that names it. */
  generation: number;
  rows: number | null;
  /** `pending`: still to be loaded. `left`: named before a reset and never loaded. */
  mark: 'pending' | 'loaded' | 'left';
}

const WEIGHT = { left: 0, loaded: 1, pending: 2 } as const;

/**
 * Adds what the generations after `after` name below `prefix`; an object named twice keeps the mark that protects it
 * most. Returns the newest generation. A generation that cannot be read is an error: nobody knows what it names.
 * Memory: one generation, and about 300 bytes an object.
 */
export async function collectNamed(
  chain: Chain,
  prefix: string,
  found: Map<string, Named>,
  after = 0,
): Promise<number> {
  const last = (await chain.read())?.doc;
  let newest = after;
  for await (const { generation, bytes } of after === 0 ? chain.files() : chain.filesInPlace(after)) {
    const { doc } = parseGeneration(bytes, chain.table, generation);
    newest = Math.max(newest, generation);
    for (const { url, rows } of doc.receipts) {
      if (!url.startsWith(prefix)) continue;
      // One that was committed after the state was read counts as pending.
      const pending = !last || generation > last.generation || within(last.state.pending, generation);
      const mark = pending ? 'pending' : within(last.state.loaded, generation) ? 'loaded' : 'left';
      const before = found.get(url);
      if (before && WEIGHT[before.mark] > WEIGHT[mark]) continue;
      found.set(url, { table: chain.table, generation, rows, mark });
    }
  }
  return newest;
}

function within(ranges: Ranges, generation: number): boolean {
  return ranges.some(([first, last]) => generation >= first && generation <= last);
}
