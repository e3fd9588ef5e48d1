/** What became of a batch. */
import type { Batch } from './batch.js';
import type { LoadObject } from './ledger.js';
import type { Mode } from './warehouse.js';

export interface Loaded {
  status: 'loaded' | 'already_loaded';
  mode: Mode | null;
  /** Objects, rows and bytes that this transaction loaded. */
  objects: number;
  rows: number;
  bytes: number;
  /** Rows inserted or updated in the target: fewer than `rows` when a row had several versions. */
  merged: number;
  /** Objects of the batch that were in the ledger before. */
  already: number;
  attempts: number;
}

/** Of a batch that the ledger holds already, each object with the batch that loaded it. */
export function alreadyLoaded(batch: Batch, held: ReadonlyMap<LoadObject, string>): Omit<Loaded, 'attempts'> {
  const ours = [...held].filter(([, id]) => id === batch.id).map(([object]) => object);
  const sum = (of: (object: LoadObject) => number): number => ours.reduce((total, object) => total + of(object), 0);
  return {
    // Our own commit, whose answer was lost.
    status: ours.length > 0 ? 'loaded' : 'already_loaded',
    mode: null,
    objects: ours.length,
    rows: sum((object) => object.rows ?? 0),
    bytes: sum((object) => object.bytes),
    merged: sum((object) => object.rows ?? 0),
    already: held.size - ours.length,
  };
}
