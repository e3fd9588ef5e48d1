/** Reads an exact number of bytes at a time from a stream of chunks of any size. */

/**
 * Holds at most one chunk beyond what was asked for. Every block handed out is a fresh buffer, so its
 * start is aligned for typed arrays and nothing pins the chunk it came from.
 */
export class ByteReader {
  /** Bytes handed out so far. */
  position = 0;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(input: AsyncIterable<Uint8Array>) {
    this.chunks = input[Symbol.asyncIterator]();
  }

  /** Fills `target` from `start` on; returns how many bytes it got, fewer only at the end of the stream. */
  async fill(target: Uint8Array, start = 0): Promise<number> {
    let filled = start;
    while (filled < target.length) {
      if (this.rest.length === 0) {
        const next = await this.chunks.next();
        if (next.done) break;
        this.rest = next.value;
        continue;
      }
      const part = this.rest.subarray(0, target.length - filled);
      target.set(part, filled);
      filled += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    this.position += filled - start;
    return filled - start;
  }

  /** The next chunk as it comes, at most `most` bytes of it, or undefined at the end. It shares the producer's memory. */
  async chunk(most = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    while (this.rest.length === 0) {
      const next = await this.chunks.next();
      if (next.done) return undefined;
      this.rest = next.value;
    }
    const chunk = this.rest.length <= most ? this.rest : this.rest.subarray(0, most);
    this.rest = this.rest.subarray(chunk.length);
    this.position += chunk.length;
    return chunk;
  }

  /** The next `count` bytes without taking them; fewer only at the end of the stream. */
  async peek(count: number): Promise<Uint8Array> {
    while (this.rest.length < count) {
      const next = await this.chunks.next();
      if (next.done) break;
      this.rest = this.rest.length === 0 ? next.value : Buffer.concat([this.rest, next.value]);
    }
    return this.rest.subarray(0, count);
  }

  /** Everything that is left, as it comes. */
  async *remaining(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.chunk(); chunk; chunk = await this.chunk()) yield chunk;
  }

  /** Tells the producer that nothing more is wanted. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }
}
