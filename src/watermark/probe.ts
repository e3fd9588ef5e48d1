/**
 * Proving that a store refuses to create what exists. Some S3-compatible stores accept the condition and ignore
 * it (reference/reliability.md section 2); on those two runs would both own a generation, so they are refused.
 */
import { Failure } from '../errors.js';
import { randomId } from './generation.js';
import { type WatermarkStore, generationName } from './store.js';

/** Lies in the store for good: its being refused again is the proof, for the price of one request. */
const PROBE_KEY = '_probe/created-once.json';

/** Throws 76 unless the store enforces the condition. One request once the probe object exists, two before. */
export async function demandConditions(store: WatermarkStore, signal: AbortSignal): Promise<void> {
  const bytes = Buffer.from('{"format":"tablepipe.probe/1"}\n');
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    const { outcome } = await store.create(PROBE_KEY, bytes, signal);
    if (outcome === 'exists') return;
  }
  throw new Failure('protocol', `${store.url} created the same file twice: it ignores If-None-Match`, {
    hint: 'A watermark needs a store that enforces conditional writes (AWS S3, Ceph RGW 20, MinIO, R2, file://).',
  });
}

export interface Trial {
  name: string;
  ok: boolean;
  /** What was seen, in words. */
  found: string;
}

const RACERS = 8;
const ROUNDS = 5;

/** Tries what a chain relies on; writes and removes a few small files below `_probe/`. */
export async function tryStore(store: WatermarkStore, signal: AbortSignal): Promise<Trial[]> {
  const folder = `_probe/${randomId()}`;
  const trials: Trial[] = [];
  const bodyOf = (n: number): Buffer => Buffer.from(`{"probe":${n}}\n`);
  let winners = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const key = `${folder}/${generationName(round + 1)}`;
    const all = await Promise.all(Array.from({ length: RACERS }, (_, n) => store.create(key, bodyOf(n), signal)));
    winners += all.filter(({ outcome }) => outcome === 'created').length;
  }
  trials.push({
    name: `one winner among ${RACERS} racers`,
    ok: winners === ROUNDS,
    found: `${winners} winners in ${ROUNDS} rounds`,
  });
  const names = (await store.list(folder, generationName(1), signal)).entries.map(({ name }) => name);
  const expected = Array.from({ length: ROUNDS - 1 }, (_, n) => generationName(n + 2));
  trials.push({ name: 'listing after a name', ok: names.join() === expected.join(), found: `${names.length} names` });
  const bytes = await store.read(`${folder}/${generationName(ROUNDS)}`, signal);
  trials.push({ name: 'reading what was created', ok: bytes !== undefined, found: `${bytes?.length ?? 0} bytes` });
  for (let round = 0; round < ROUNDS; round += 1) await store.remove(`${folder}/${generationName(round + 1)}`, signal);
  const left = (await store.list(folder, '', signal)).entries.length;
  trials.push({ name: 'removing', ok: left === 0, found: `${left} left` });
  const skewMs = Math.round(store.now() - Date.now());
  trials.push({ name: 'clock', ok: Math.abs(skewMs) < 15 * 60_000, found: `${skewMs} ms from this machine's` });
  return trials;
}
