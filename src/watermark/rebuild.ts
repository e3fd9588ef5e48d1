/** A lost chain again, from what each object says about itself. */
import type { Receipt } from '../receipt.js';
import { footerProvenance } from './footer.js';
import { randomId } from './generation.js';
import type { Objects } from './objects.js';

export interface Rebuilt {
  /** The receipts of the longest unbroken series, in the order of the data. */
  receipts: readonly Receipt[];
  /** Objects of the table outside that series: written by runs that never committed, or repeated. */
  outside: readonly string[];
}

/**
 * Reads the footers of all objects below a folder and joins them by `from` and `to`. Only incremental reads
 * form a series; where two objects begin at the same place, the one from which more objects follow is taken.
 * Memory: one receipt per object.
 */
export async function rebuild(objects: Objects, folder: string, table: string, runId: string): Promise<Rebuilt> {
  const found: Receipt[] = [];
  for await (const url of objects.below(folder)) {
    const look = await objects.look(url);
    const about = look && (await footerProvenance(objects, url, look.bytes));
    if (!look || about?.table !== table || about.read !== 'incremental' || about.to === null) continue;
    const { primary_key, cursor_columns, from, to, rows, schema_id, read } = about;
    const crc32 = look.crc32 ?? (await objects.checksum(url));
    const place = { table, url, bytes: look.bytes, rows, etag: look.etag ?? '', crc32, schema_id };
    const ids = { run_id: runId, seq: 0, write_id: randomId() };
    found.push({ type: 'object', v: 1, ...ids, ...place, read, primary_key, cursor_columns, from, to });
  }
  const receipts = longestSeries(found).map((receipt, seq) => ({ ...receipt, seq }));
  const inside = new Set(receipts.map(({ url }) => url));
  return { receipts, outside: found.map(({ url }) => url).filter((url) => !inside.has(url)) };
}

/** The longest series that starts at the beginning, each object beginning where the one before it ends. */
export function longestSeries(found: readonly Receipt[]): Receipt[] {
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
  measure('null');
  const series: Receipt[] = [];
  for (let at = following.get('null')?.next; at; at = following.get(JSON.stringify(at.to))?.next) {
    series.push(at);
    if (series.length > found.length) break;
  }
  return series;
}
