/** The last bytes of a stream, kept while it passes. */

export class Tail {
  /** Bytes seen in all. */
  bytes = 0;
  private readonly chunks: Uint8Array[] = [];
  private kept = 0;

  /** @param most bytes kept, and less than one chunk more; the chunks are held, not copied */
  constructor(private readonly most: number) {}

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.kept += chunk.length;
    this.chunks.push(chunk);
    for (let first = this.chunks[0]; first && this.kept - first.length >= this.most; first = this.chunks[0]) {
      this.kept -= first.length;
      this.chunks.shift();
    }
  }

  /** The last `count` bytes, or what was kept. */
  last(count: number): Buffer {
    const all = Buffer.concat(this.chunks);
    return all.subarray(Math.max(0, all.length - count));
  }
}
