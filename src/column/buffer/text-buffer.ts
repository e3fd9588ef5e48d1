/** Text (checked to be UTF-8) and bytes: one growing buffer and the offset of every value in it. */
import { isUtf8 } from 'node:buffer';
import { Binary, type Data, Utf8, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, type Nulls, type Outcome, STORED } from './column-buffer.js';

/** Up to here a loop copies faster than a call of the engine's own copy. */
const SHORT_BYTES = 48;

/** Bytes a value starts with room for. */
const FIRST_BYTES = 16;

/** BINARY, BLOB, GEOMETRY, VECTOR: the bytes as they are. */
export class BytesBuffer extends ColumnBuffer {
  protected data: Uint8Array;
  protected offsets: Int32Array;
  protected used = 0;
  private firstBytes: number;

  constructor(capacity: number) {
    super(capacity);
    this.firstBytes = FIRST_BYTES * capacity;
    this.data = new Uint8Array(this.firstBytes);
    this.offsets = new Int32Array(capacity + 1);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    this.copy(row, bytes, start, end);
    return STORED;
  }

  override appendNull(row: number): void {
    super.appendNull(row);
    this.offsets[row + 1] = this.used;
  }

  /** Copies the value; returns all its bytes or-ed together, so below 128 it is ASCII, or 128 when it did not look. */
  protected copy(row: number, bytes: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (this.used + length > this.data.length) this.grow(length);
    let seen = 0;
    if (length <= SHORT_BYTES) {
      const data = this.data;
      for (let from = start, to = this.used; from < end; from += 1, to += 1) {
        const byte = bytes[from] as number;
        data[to] = byte;
        seen |= byte;
      }
    } else {
      this.data.set(bytes.subarray(start, end), this.used);
      seen = 128;
    }
    this.used += length;
    this.offsets[row + 1] = this.used;
    return seen;
  }

  private grow(more: number): void {
    const grown = new Uint8Array(Math.max(2 * this.data.length, this.used + more));
    grown.set(this.data.subarray(0, this.used));
    this.data = grown;
  }

  protected take(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Binary(), length: rows, ...this.taken(rows), ...nulls });
  }

  /** Offsets and bytes of the rows; the next batch starts with as much room as this one needed. */
  protected taken(rows: number): { valueOffsets: Int32Array; data: Uint8Array } {
    const taken = { valueOffsets: this.offsets.subarray(0, rows + 1), data: this.data.subarray(0, this.used) };
    this.firstBytes = Math.max(FIRST_BYTES, Math.ceil(this.used * 1.05));
    this.data = new Uint8Array(this.firstBytes);
    this.offsets = new Int32Array(this.capacity + 1);
    this.used = 0;
    return taken;
  }
}

/** Text in UTF-8. What is not valid UTF-8 is refused: a Parquet or Arrow reader rejects the whole stream for it. */
export class TextBuffer extends BytesBuffer {
  override append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    const before = this.used;
    if (this.copy(row, bytes, start, end) < 128 || isUtf8(this.data.subarray(before, this.used))) return STORED;
    this.used = before;
    return BAD_VALUE;
  }

  /** Stores the readable part, U+FFFD for each byte that is not. */
  override appendText(row: number, bytes: Uint8Array, start: number, end: number): void {
    const readable = Buffer.from(new TextDecoder().decode(bytes.subarray(start, end)));
    this.copy(row, readable, 0, readable.length);
  }

  protected override take(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Utf8(), length: rows, ...this.taken(rows), ...nulls });
  }
}
