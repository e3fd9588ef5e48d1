/**
 * The pages of one flat column chunk, read from its start to its end as they are asked for, so that a row group need
 * not be in memory as a whole, and the first rows of it cost no more than its first pages. One value a row: a page
 * of 1,000 values has 1,000 rows (PageHeader of parquet.thrift).
 */
import { Failure } from '../errors.js';
import { type Struct, TYPE, readStructAndLength } from './thrift-compact.js';

const PAGE = { type: 1, compressed: 3, data: 5, dataV2: 8 } as const;
const VALUES = 1;
const KIND = { data: 0, dictionary: 2, dataV2: 3 } as const;

/** First read of a chunk, and what a page header is expected to fit into. */
const FIRST_BYTES = 64 << 10;

/** A header with the bounds of long values in it may be longer, but not this long. */
const HEADER_MOST = 32 << 20;

export interface PageRun {
  /** Of the dictionary page, the first of `pieces`; 0 without one. */
  dictionaryBytes: number;
  pieces: Uint8Array[];
  /** Rows in the pages. */
  rows: number;
  /** Rows before the first that was asked for. */
  skip: number;
}

interface Page {
  first: number;
  rows: number;
  bytes: Uint8Array;
}

/** Memory: the dictionary, the pages of one window, and twice `stepBytes`. */
export class ColumnPages {
  private dictionary: Uint8Array = new Uint8Array();
  private pages: Page[] = [];
  private held: Uint8Array = new Uint8Array();
  private rows = 0;

  /**
   * @param at first byte of the chunk in the file
   * @param end the byte after its last
   * @param stepBytes largest read
   */
  constructor(
    private readonly read: (start: number, end: number) => Promise<Uint8Array>,
    private at: number,
    private readonly end: number,
    private readonly stepBytes: number,
  ) {}

  /** The pages that hold the rows from `first` on; windows are asked for in order. 65 when the chunk has not as many. */
  async window(first: number, rows: number): Promise<PageRun> {
    this.pages = this.pages.filter((page) => page.first + page.rows > first);
    while (this.rows < first + rows) {
      const page = await this.page();
      if (page.first + page.rows > first) this.pages.push(page);
    }
    const skip = first - (this.pages[0]?.first ?? first);
    return {
      dictionaryBytes: this.dictionary.length,
      pieces: [this.dictionary, ...this.pages.map((page) => page.bytes)],
      rows: this.pages.reduce((sum, page) => sum + page.rows, 0),
      skip,
    };
  }

  private async page(): Promise<Page> {
    for (;;) {
      const { fields, length } = await this.header();
      const size = length + integer(fields, PAGE.compressed);
      await this.need(size);
      if (this.held.length < size) throw damaged();
      // A copy: a view would hold the whole read it came with.
      const bytes = Uint8Array.prototype.slice.call(this.held, 0, size);
      this.held = this.held.subarray(size);
      const kind = integer(fields, PAGE.type);
      if (kind === KIND.dictionary) this.dictionary = bytes;
      if (kind !== KIND.data && kind !== KIND.dataV2) continue;
      const inner = fields.get(kind === KIND.data ? PAGE.data : PAGE.dataV2);
      if (inner?.type !== TYPE.struct) throw damaged();
      const page = { first: this.rows, rows: integer(inner.value, VALUES), bytes };
      this.rows += page.rows;
      return page;
    }
  }

  private async header(): Promise<{ fields: Struct; length: number }> {
    for (let wanted = FIRST_BYTES; ; wanted *= 8) {
      await this.need(Math.min(wanted, this.end - this.at + this.held.length));
      if (this.held.length === 0) throw damaged();
      try {
        return readStructAndLength(this.held);
      } catch (error) {
        if (this.at >= this.end || wanted > HEADER_MOST) throw error;
      }
    }
  }

  /** Reads on until `bytes` are held or the chunk ends. */
  private async need(bytes: number): Promise<void> {
    const parts = [this.held];
    let held = this.held.length;
    while (held < bytes && this.at < this.end) {
      const step = this.rows === 0 ? FIRST_BYTES : this.stepBytes;
      const upTo = Math.min(this.end, this.at + Math.max(step, bytes - held));
      const part = await this.read(this.at, upTo);
      this.at = upTo;
      held += part.length;
      parts.push(part);
    }
    if (parts.length > 1) this.held = Buffer.concat(parts);
  }
}

function integer(fields: Struct, field: number): number {
  const value = fields.get(field);
  if (value?.type !== TYPE.i32 || value.value < 0) throw damaged();
  return value.value;
}

function damaged(): Failure {
  return new Failure('data', 'a page header of the Parquet file is damaged');
}
