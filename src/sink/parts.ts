/** A stream of bytes in pieces as large as the parts of an upload. */
import { interruptible } from '../stage.js';
import { Sum } from './checksums.js';
import type { PartBuffers } from './part-buffers.js';
import type { PartSizes } from './part-sizes.js';

export interface Part {
  buffer: Buffer;
  /** How much of the buffer is filled. */
  bytes: number;
  sum: Sum;
  /** True for exactly one, the only one that may be empty. */
  last: boolean;
}

/**
 * Memory: the part that is being filled. Whoever gets a part gives its buffer back, also when the rest is not wanted.
 * Both checksums are taken while a chunk is in the processor's cache.
 *
 * @param whole gets every byte
 */
export async function* partsOf(
  input: AsyncIterable<Uint8Array>,
  whole: { update(chunk: Uint8Array): void },
  sizes: PartSizes,
  buffers: PartBuffers,
  signal: AbortSignal,
): AsyncGenerator<Part> {
  const empty = async (): Promise<Part> => ({
    buffer: await buffers.take(sizes.next(), signal),
    bytes: 0,
    sum: new Sum(),
    last: false,
  });
  let part: Part | undefined = await empty();
  try {
    for await (const chunk of interruptible(input, signal)) {
      whole.update(chunk);
      for (let at = 0; at < chunk.length; ) {
        if (part.bytes === part.buffer.length) {
          const full: Part = part;
          part = undefined;
          yield full;
          part = await empty();
        }
        const taken = Math.min(chunk.length - at, part.buffer.length - part.bytes);
        const piece = chunk.subarray(at, at + taken);
        part.buffer.set(piece, part.bytes);
        part.sum.update(piece);
        part.bytes += taken;
        at += taken;
      }
    }
    const last = { ...part, last: true };
    part = undefined;
    yield last;
  } finally {
    if (part) buffers.give(part.buffer);
  }
}
