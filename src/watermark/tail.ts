/**
 * Finding the newest generation. With a current hint that takes two requests on a chain of any length: the hint
 * holds the newest file and its etag, and one listing that starts there proves that nothing came after it and
 * that the file still is what the hint says. A hint that is stale, missing or wrong only costs more requests.
 */
import type { Entry, WatermarkStore } from './store.js';
import { generationName, generationOfName } from './store.js';

/** The hint's name in a table's folder: after every generation in byte order. */
export const HINT_NAME = '_head.json';

/** The newest file, readable or not. */
export interface Newest {
  generation: number;
  bytes: Uint8Array;
}

interface Hint {
  generation: number;
  etag: string;
  body: string;
}

/** Finds and reads the newest generation's file; undefined for a table without any. */
export async function newest(store: WatermarkStore, folder: string, signal: AbortSignal): Promise<Newest | undefined> {
  const hint = store.paged ? await readHint(store, folder, signal) : undefined;
  // A generation can only vanish between listing and reading when it was pruned meanwhile: look again.
  for (;;) {
    const found = await newestEntry(store, folder, hint?.generation, signal);
    if (!found) return undefined;
    if (hint && found.generation === hint.generation && found.entry.etag === hint.etag) {
      return { generation: hint.generation, bytes: Buffer.from(hint.body) };
    }
    const bytes = await store.read(`${folder}/${found.entry.name}`, signal);
    if (bytes) return { generation: found.generation, bytes };
  }
}

/** Leaves the hint for the next reader. Its loss costs requests, never truth. */
export async function leaveHint(
  store: WatermarkStore,
  folder: string,
  at: Newest & { etag: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  if (!store.paged || at.etag === undefined) return;
  const hint: Hint = { generation: at.generation, etag: at.etag, body: Buffer.from(at.bytes).toString('utf8') };
  await store.replace(`${folder}/${HINT_NAME}`, Buffer.from(`${JSON.stringify(hint)}\n`), signal);
}

async function readHint(store: WatermarkStore, folder: string, signal: AbortSignal): Promise<Hint | undefined> {
  const bytes = await store.read(`${folder}/${HINT_NAME}`, signal);
  try {
    const hint = JSON.parse(Buffer.from(bytes ?? []).toString('utf8')) as Partial<Hint>;
    const shaped = typeof hint.body === 'string' && typeof hint.etag === 'string' && Number(hint.generation) >= 1;
    return shaped && Number.isSafeInteger(hint.generation) ? (hint as Hint) : undefined;
  } catch {
    return undefined;
  }
}

interface Numbered {
  generation: number;
  entry: Entry;
}

/** Names a page of a listing may hold (S3 API, ListObjectsV2). */
const PAGE = 1000;

/** Listing from the hint, else in growing leaps: about twenty requests for 100,000 generations. */
async function newestEntry(
  store: WatermarkStore,
  folder: string,
  hinted: number | undefined,
  signal: AbortSignal,
): Promise<Numbered | undefined> {
  let { last, full } = await lastOfPage(store, folder, hinted === undefined ? '' : generationName(hinted - 1), signal);
  if (!last && hinted !== undefined) ({ last, full } = await lastOfPage(store, folder, '', signal));
  for (let leap = 4 * PAGE; last && full; ) {
    const far = await lastOfPage(store, folder, generationName(last.generation + leap), signal);
    if (far.last) {
      ({ last, full } = far);
      leap *= 4;
    } else if (leap > 0) leap = leap < PAGE ? 0 : Math.floor(leap / 4);
    else break;
  }
  return last;
}

async function lastOfPage(
  store: WatermarkStore,
  folder: string,
  after: string,
  signal: AbortSignal,
): Promise<{ last: Numbered | undefined; full: boolean }> {
  const { entries, more: full } = await store.list(folder, after, signal);
  let last: Numbered | undefined;
  for (const entry of entries) {
    const generation = generationOfName(entry.name);
    if (generation !== undefined) last = { generation, entry };
  }
  return { last, full };
}
