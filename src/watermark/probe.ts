/**
 * Proving that a store refuses to create what exists. Some S3-compatible stores accept the condition and ignore
 * it (reference/reliability.md section 2); on those two runs would both own a generation, so they are refused.
 */
import { Failure } from '../errors.js';
import type { WatermarkStore } from './store.js';

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
