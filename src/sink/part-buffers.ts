/**
 * The memory of parts, in flight or being filled, for all objects of one program: equal blocks that are used again and
 * again. New buffers would be zeroed pages and garbage each time, and a block for each size of a last part would be
 * kept for nothing.
 */
import { PassingBytes } from '../young-garbage.js';
import { Turns } from './turns.js';

/** Memory: `most` blocks, or one, if a part is larger than all of them. */
export class PartBuffers {
  private readonly turns = new Turns();
  private readonly memoryBytes: number;
  /** Blocks that have become too small lie in the old generation, which nothing else makes V8 collect. */
  private readonly outgrown: PassingBytes;
  private spare: Buffer[] = [];
  private held = 0;
  private taken = 0;
  private largest = 0;

  /** @param blockBytes size of a block; a part that is larger makes all of them larger, and fewer */
  constructor(
    private readonly most: number,
    private blockBytes: number,
  ) {
    this.memoryBytes = most * blockBytes;
    this.outgrown = new PassingBytes(this.memoryBytes / 2, 'major');
  }

  /** A buffer of `bytes`, once there is room for it. Given back with {@link give}. */
  async take(bytes: number, signal: AbortSignal): Promise<Buffer> {
    let block: Buffer | undefined;
    await this.turns.turn(() => (block = this.free(bytes)) !== undefined, signal);
    return (block as Buffer | undefined)?.subarray(0, bytes) as Buffer;
  }

  /** Takes a buffer back; nobody may look at it any more. */
  give(buffer: Buffer): void {
    const block = Buffer.from(buffer.buffer);
    this.held -= block.length;
    if (block.length === this.blockBytes) this.spare.push(block);
    else this.outgrown.passed(block.length);
    this.turns.wake();
  }

  private free(bytes: number): Buffer | undefined {
    const size = Math.max(bytes, this.blockBytes);
    if (this.held > 0 && this.held + size > this.memoryBytes) return undefined;
    if (size > this.blockBytes) this.grow(size);
    this.largest = Math.max(this.largest, bytes);
    this.taken += 1;
    if (this.taken === this.most) this.reserve();
    this.held += size;
    return this.spare.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  private grow(size: number): void {
    const bytes = this.spare.length * this.blockBytes;
    this.spare = [];
    this.blockBytes = size;
    this.outgrown.passed(bytes);
  }

  /**
   * How many blocks are in use depends on how fast the store is. When as many parts have come as there are blocks, all
   * of them are put into memory: a long run takes at its beginning what it would take when the store slows down.
   */
  private reserve(): void {
    const more = Math.floor((this.memoryBytes - this.held) / this.blockBytes) - this.spare.length;
    for (let count = 0; count < more; count += 1) {
      this.spare.unshift(Buffer.allocUnsafeSlow(this.blockBytes).fill(0, 0, this.largest));
    }
  }
}
