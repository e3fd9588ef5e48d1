/**
 * Buffers that are used again. The memory of a large buffer returns only when the garbage collector runs, and that
 * is rarely in a program that makes no other garbage: a stream of batches would grow the process by 100 MB.
 */

/** Keeps up to `most` buffers that were given back. */
export class BufferPool {
  private readonly free: ArrayBuffer[] = [];

  constructor(private readonly most = 2) {}

  /** A buffer of `bytes`; what it holds is undefined. */
  take(bytes: number): Uint8Array {
    const at = this.free.findIndex((buffer) => buffer.byteLength >= bytes);
    const found = at < 0 ? undefined : this.free.splice(at, 1)[0];
    // Batches of a stream differ a little in size.
    return new Uint8Array(found ?? new ArrayBuffer(bytes + (bytes >> 4) + 1024), 0, bytes);
  }

  /** Takes a buffer back; nobody may look at it any more. */
  give(bytes: Uint8Array): void {
    // The smallest goes first, so that the pool grows with the batches.
    this.free.push(bytes.buffer as ArrayBuffer);
    this.free.sort((a, b) => b.byteLength - a.byteLength);
    if (this.free.length > this.most) this.free.pop();
  }
}
