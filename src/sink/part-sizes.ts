/**
 * How large the parts of an upload are. S3 takes 10,000 of at least 5 MiB, and 5 TiB in all; an object whose size
 * is known gets equal parts, one of unknown size begins small and doubles, so that the last part is never reached.
 */
import { Failure } from '../errors.js';

export const PART_LEAST = 5 << 20;
const PART_MOST = 5 * 2 ** 30;
const PARTS = 10_000;
const OBJECT_MOST = 5 * 2 ** 40;

/** Parts of one size before it doubles: 16 MiB parts reach 5 TiB with fewer than 9,400 of them. */
const DOUBLE_AFTER = 1_000;

const MIB = 1 << 20;

export class PartSizes {
  private count = 0;
  private total = 0;
  private readonly first: number;

  /**
   * @param partBytes size of the first parts
   * @param bytes size of the object, or undefined
   */
  constructor(
    partBytes: number,
    private readonly bytes: number | undefined,
  ) {
    if (bytes !== undefined && bytes > OBJECT_MOST) throw tooLarge();
    const needed = Math.ceil((bytes ?? 0) / PARTS / MIB) * MIB;
    this.first = Math.max(PART_LEAST, partBytes, needed);
  }

  /** The size of the next part; the last one may be filled less. */
  next(): number {
    const doubled = this.bytes === undefined ? this.first * 2 ** Math.floor(this.count / DOUBLE_AFTER) : this.first;
    const left = this.bytes === undefined ? doubled : this.bytes - this.total;
    const size = Math.max(1, Math.min(doubled, left, PART_MOST));
    if (this.count === PARTS || this.total + size > OBJECT_MOST) throw tooLarge();
    this.count += 1;
    this.total += size;
    return size;
  }
}

function tooLarge(): Failure {
  return new Failure('data', 'the object is larger than S3 takes (5 TiB)', {
    hint: 'Split it: `to-parquet --split-size`.',
  });
}
