/** Objects to batches: what goes into one transaction. Objects of one batch have the same columns, key and cursor. */
import { randomBytes } from 'node:crypto';
import type { LoadObject } from './ledger.js';

export interface Batch {
  /** Random: how a loader recognises its own commit when the answer to it was lost. */
  id: string;
  objects: readonly LoadObject[];
  /** The newest generation that is complete with this batch; null when none is. */
  through: number | null;
}

export interface BatchLimits {
  files: number;
  bytes: number;
}

/**
 * Collects objects until a batch is full. A batch never waits for what may come: `take` gives what is there.
 * Memory: the receipts of one batch, about 1 KB each.
 */
export class Batches {
  private objects: LoadObject[] = [];
  private bytes = 0;
  private through: number | null = null;

  constructor(private readonly limits: BatchLimits) {}

  get empty(): boolean {
    return this.objects.length === 0;
  }

  /** Adds an object; returns the batch before it when it does not fit in there any more. */
  add(object: LoadObject): Batch | undefined {
    const [first] = this.objects;
    const full = this.objects.length >= this.limits.files || this.bytes + object.bytes > this.limits.bytes;
    const before = first && (full || shapeOf(first) !== shapeOf(object)) ? this.take() : undefined;
    this.objects.push(object);
    this.bytes += object.bytes;
    return before;
  }

  /** Notes that all objects of a generation were added. */
  complete(generation: number): void {
    this.through = generation;
  }

  /** What was collected; undefined when nothing was, and no generation came to its end. */
  take(): Batch | undefined {
    const { objects, through } = this;
    if (objects.length === 0 && through === null) return undefined;
    this.objects = [];
    this.bytes = 0;
    this.through = null;
    return { id: randomBytes(16).toString('hex'), objects, through };
  }
}

function shapeOf({ read, primary_key, cursor_columns, schema_id }: LoadObject): string {
  return JSON.stringify([read, primary_key, cursor_columns, schema_id]);
}
