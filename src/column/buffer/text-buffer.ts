/** Text (checked to be UTF-8) and bytes: one growing buffer and the offset of every value in it. */
import { isUtf8 } from 'node:buffer';
import { Binary, type Data, Utf8, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, type Nulls, type Outcome, STORED } from './column-buffer.js';

/** Up to here a loop over words copies faster than a call of the engine's own copy. */
const SHORT_BYTES = 96;

/** Bytes a value starts with room for. */
const FIRST_BYTES = 16;

/** A buffer above this size is not kept for the next batch unless it was used. */
const KEPT_BYTES = 4 * 2 ** 20;

/** The high bit of each byte in a word: set in everything that is not ASCII. */
const HIGH_BITS = 0x80808080 | 0;

/** BINARY, BLOB, GEOMETRY, VECTOR: the bytes as they are. */
export class BytesBuffer extends ColumnBuffer {
  protected stored: Uint8Array;
  protected used = 0;
  private readonly offsets: Int32Array;
  private storedWords: DataView;
  /** The packet buffer values came from last, and the same as words. */
  private source: Uint8Array = new Uint8Array(0);
  private sourceWords = new DataView(this.source.buffer);

  constructor(capacity: number) {
    super(capacity);
    this.stored = new Uint8Array(FIRST_BYTES * capacity);
    this.storedWords = new DataView(this.stored.buffer);
    this.offsets = new Int32Array(capacity + 1);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    this.copy(row, bytes, start, end);
    return STORED;
  }

  /** Copies the value; true when every byte of it is known to be ASCII. */
  protected copy(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    const used = this.used;
    if (used + length > this.stored.length) this.resize(Math.max(2 * this.stored.length, used + length));
    this.used = used + length;
    this.offsets[row + 1] = this.used;
    if (length > SHORT_BYTES) {
      this.stored.set(bytes.subarray(start, end), used);
      return false;
    }
    if (bytes !== this.source) this.look(bytes);
    const { storedWords, sourceWords, stored } = this;
    let seen = 0;
    let from = start;
    let to = used;
    for (; from <= end - 4; from += 4, to += 4) {
      const word = sourceWords.getInt32(from, true);
      storedWords.setInt32(to, word, true);
      seen |= word;
    }
    for (; from < end; from += 1, to += 1) {
      const byte = bytes[from] as number;
      stored[to] = byte;
      seen |= byte;
    }
    return (seen & HIGH_BITS) === 0;
  }

  private look(bytes: Uint8Array): void {
    this.source = bytes;
    this.sourceWords = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  private resize(bytes: number): void {
    const resized = new Uint8Array(bytes);
    resized.set(this.stored.subarray(0, this.used));
    this.stored = resized;
    this.storedWords = new DataView(resized.buffer);
  }

  override reset(): void {
    super.reset();
    const wasted = this.stored.length > KEPT_BYTES && this.used < this.stored.length / 4;
    this.used = 0;
    if (wasted) this.resize(FIRST_BYTES * this.capacity);
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Binary(), length: rows, ...this.parts(rows), ...nulls });
  }

  protected parts(rows: number): { valueOffsets: Int32Array; data: Uint8Array } {
    return { valueOffsets: this.offsets.subarray(0, rows + 1), data: this.stored.subarray(0, this.used) };
  }

  protected blank(row: number): void {
    this.offsets[row + 1] = this.used;
  }
}

/** Text in UTF-8. What is not valid UTF-8 is refused: a Parquet or Arrow reader rejects the whole stream for it. */
export class TextBuffer extends BytesBuffer {
  override append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    const before = this.used;
    if (this.copy(row, bytes, start, end) || isUtf8(this.stored.subarray(before, this.used))) return STORED;
    this.used = before;
    return BAD_VALUE;
  }

  /** Stores the readable part, U+FFFD for each byte that is not. */
  override appendText(row: number, bytes: Uint8Array, start: number, end: number): void {
    const readable = Buffer.from(new TextDecoder().decode(bytes.subarray(start, end)));
    this.copy(row, readable, 0, readable.length);
  }

  protected override view(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Utf8(), length: rows, ...this.parts(rows), ...nulls });
  }
}
