/** Text (checked to be UTF-8) and bytes: one growing buffer and the offset of every value in it. */
import { isAscii, isUtf8 } from 'node:buffer';
import { Binary, type Data, Utf8, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, LONG, type Nulls, type Outcome, type PacketValues, STORED } from './column-buffer.js';

/** Bytes a value starts with room for. */
const FIRST_BYTES = 16;

/** A buffer above this size is not kept for the next batch unless it was used. */
const KEPT_BYTES = 4 * 2 ** 20;

/** What words of four bytes may write beyond the end of a value. */
const SLACK = 4;

/** BINARY, BLOB, GEOMETRY, VECTOR: the bytes as they are. */
export class BytesBuffer extends ColumnBuffer {
  protected stored: Uint8Array;
  protected used = 0;
  protected readonly offsets: Int32Array;
  private storedWords: DataView;

  constructor(capacity: number) {
    super(capacity);
    this.stored = new Uint8Array(FIRST_BYTES * capacity + SLACK);
    this.storedWords = new DataView(this.stored.buffer);
    this.offsets = new Int32Array(capacity + 1);
  }

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    const used = this.used;
    this.used = used + end - start;
    if (this.used + SLACK > this.stored.length) this.grow(used, this.used);
    this.stored.set(bytes.subarray(start, end), used);
    this.offsets[row + 1] = this.used;
    return STORED;
  }

  /** Short values are copied in words of four bytes, the last one beyond the end of the value: no loop over the rest. */
  override appendAll(values: PacketValues, row: number, count: number): void {
    const { bytes, view, at } = values;
    const { offsets } = this;
    const last = bytes.length - SLACK;
    let { used, storedWords } = this;
    let room = this.stored.length - SLACK;
    for (let index = 0; index < count; index += 1) {
      const start = at[index] as number;
      const length = bytes[start] as number;
      const end = start + 1 + length;
      if (length >= LONG || end > last) {
        this.used = used;
        values.settle(row + index, start);
        ({ used, storedWords } = this);
        room = this.stored.length - SLACK;
        continue;
      }
      if (used + length > room) {
        this.grow(used, used + length);
        ({ storedWords } = this);
        room = this.stored.length - SLACK;
      }
      for (let from = start + 1, to = used; from < end; from += 4, to += 4)
        storedWords.setInt32(to, view.getInt32(from, true), true);
      used += length;
      offsets[row + index + 1] = used;
    }
    this.used = used;
  }

  /** Makes room for `needed` bytes, of which `used` are to be kept. */
  private grow(used: number, needed: number): void {
    this.resize(used, Math.max(2 * this.stored.length, needed + SLACK));
  }

  private resize(used: number, bytes: number): void {
    const resized = new Uint8Array(bytes);
    resized.set(this.stored.subarray(0, used));
    this.stored = resized;
    this.storedWords = new DataView(resized.buffer);
  }

  override reset(): void {
    super.reset();
    const wasted = this.stored.length > KEPT_BYTES && this.used < this.stored.length / 4;
    this.used = 0;
    if (wasted) this.resize(0, FIRST_BYTES * this.capacity + SLACK);
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
    if (!isUtf8(bytes.subarray(start, end))) return BAD_VALUE;
    return super.append(row, bytes, start, end);
  }

  /** The values are looked at together: one look costs as much as copying a value. */
  override appendAll(values: PacketValues, row: number, count: number): void {
    const before = this.used;
    super.appendAll(values, row, count);
    const added = this.stored.subarray(before, this.used);
    if (isAscii(added) || (isUtf8(added) && this.beginWhole(row, count))) return;
    this.used = before;
    this.appendEach(values, row, count);
  }

  /** True when no value begins inside a character: then the text of all is valid only when each is. */
  private beginWhole(row: number, count: number): boolean {
    const { stored, offsets } = this;
    for (let index = row; index < row + count; index += 1) {
      const start = offsets[index] as number;
      // A continuation byte is 10xxxxxx. An empty value looks at the next one, which must begin whole as well.
      if (start < this.used && ((stored[start] as number) & 0xc0) === 0x80) return false;
    }
    return true;
  }

  /** Stores the readable part, U+FFFD for each byte that is not. */
  override appendText(row: number, bytes: Uint8Array, start: number, end: number): void {
    const readable = Buffer.from(new TextDecoder().decode(bytes.subarray(start, end)));
    super.append(row, readable, 0, readable.length);
  }

  protected override view(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Utf8(), length: rows, ...this.parts(rows), ...nulls });
  }
}
