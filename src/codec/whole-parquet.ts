/**
 * Parquet bytes on their way to a sink, looked at while they pass: begins and ends as Parquet, its footer whole, its
 * rows counted, its name's hash right. The end of the output is reached only by a file that is complete.
 * Memory: the last {@link KEPT_BYTES} bytes.
 */
import { type Hash, createHash } from 'node:crypto';
import { Failure } from '../errors.js';
import { type Footer, TAIL_BYTES, footerBytes, parseFooter } from './parquet-footer.js';
import { MAGIC } from './parquet-row-group.js';
import { Tail } from './tail.js';

/** Longest footer that is read on its way: one of 13 columns and 1,000 row groups has 2 MB. */
const KEPT_BYTES = 8 << 20;

export class WholeParquet {
  /** Set once the body was read to its end; undefined for a footer too long to be read on its way. */
  footer: Footer | undefined;
  private readonly hash: Hash | undefined;

  /**
   * @param what for messages
   * @param expected the first hex digits of the SHA-256 of the bytes, when the name promises them
   */
  constructor(
    private readonly what: string,
    private readonly expected?: string,
  ) {
    this.hash = expected === undefined ? undefined : createHash('sha256');
  }

  /** Passes the bytes on. 82 when they end before the footer, 65 when they are damaged. */
  async *through(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const tail = new Tail(KEPT_BYTES);
    const head = Buffer.alloc(MAGIC.length);
    for await (const chunk of input) {
      if (tail.bytes < head.length) head.set(chunk.subarray(0, head.length - tail.bytes), tail.bytes);
      tail.push(chunk);
      this.hash?.update(chunk);
      yield chunk;
    }
    if (tail.bytes >= head.length && !head.equals(MAGIC))
      throw new Failure('data', `${this.what} does not begin as a Parquet file`);
    const end = tail.last(KEPT_BYTES);
    const length = footerBytes(end, tail.bytes);
    const start = end.length - TAIL_BYTES - length;
    if (start >= 0) this.footer = parseFooter(end.subarray(start, end.length - TAIL_BYTES));
    if (this.expected !== undefined && !this.hash?.digest('hex').startsWith(this.expected)) {
      throw new Failure('data', `${this.what} does not have the content its name promises`, {
        hint: 'It was altered on its way.',
      });
    }
  }
}
