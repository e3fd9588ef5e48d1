/** BIT columns: the server sends raw bytes, most significant first. BIT(64) is in decimal-buffer.ts. */
import { Bool, type Data, Int64, makeData } from 'apache-arrow';
import { BAD_VALUE, ColumnBuffer, type Nulls, type Outcome, STORED } from './column-buffer.js';
import { WordPairs } from './integer-buffer.js';

/** BIT(1). */
export class BoolBuffer extends ColumnBuffer {
  private readonly bits = new Uint8Array((this.capacity + 7) >> 3);

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    const value = bytes[start] as number;
    if (end - start !== 1 || value > 1) return BAD_VALUE;
    const at = row >> 3;
    this.bits[at] = (this.bits[at] as number) | (value << (row & 7));
    return STORED;
  }

  override reset(): void {
    super.reset();
    this.bits.fill(0);
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Bool(), length: rows, data: this.bits, ...nulls });
  }

  /** All bits are 0 until a value sets one. */
  protected blank(): void {}
}

/** BIT(2) to BIT(63). */
export class BitsBuffer extends ColumnBuffer {
  private readonly pairs = new WordPairs(this.capacity);

  append(row: number, bytes: Uint8Array, start: number, end: number): Outcome {
    if (end - start > 8 || start === end) return BAD_VALUE;
    let low = 0;
    let high = 0;
    for (let at = start; at < end; at += 1) {
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | (bytes[at] as number);
    }
    if (high < 0) return BAD_VALUE;
    this.pairs.words[2 * row] = low;
    this.pairs.words[2 * row + 1] = high;
    return STORED;
  }

  protected view(rows: number, nulls: Nulls): Data {
    return makeData({ type: new Int64(), length: rows, data: this.pairs.values, ...nulls });
  }

  protected blank(row: number): void {
    this.pairs.setNumber(row, 0);
  }
}
