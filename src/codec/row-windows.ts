/**
 * The rows of a row group too large to be held, or of which only the first are wanted: a window of rows at a time,
 * each column from the pages that hold them, as a small file of its own; then the columns are put side by side.
 * A nested column has pages that do not say where a row begins: its chunks are read whole.
 */
import { RecordBatch, Schema, Struct, makeData } from 'apache-arrow';
import { Failure } from '../errors.js';
import { schemaBytes } from './arrow-bytes.js';
import { ColumnPages } from './column-pages.js';
import type { OpenedParquet } from './parquet-batches.js';
import { decodedRows } from './parquet-decode.js';
import type { Footer, TopColumn } from './parquet-footer.js';
import { MAGIC, type RowGroup } from './parquet-row-group.js';
import { PassingBytes } from '../young-garbage.js';

/** What all columns together read at once, and the bounds of one read. */
const READ_BYTES = 4 << 20;
const STEP = { least: 64 << 10, most: 256 << 10 };

/** Columns whose pages are fetched at the same time. */
const AT_ONCE = 8;

/** Arrow's own schema in the key-value metadata: it says what Parquet's types cannot. */
const ARROW_SCHEMA_KEY = 'ARROW:schema';

/**
 * The first `rows` rows of the group, `window` at a time. Memory: a page, a dictionary and a window of every column,
 * and the whole chunks of nested ones.
 */
export async function* windowedBatches(
  { ranges, footer, schema }: OpenedParquet,
  group: RowGroup,
  rows: number,
  window: number,
): AsyncGenerator<RecordBatch> {
  const tops = footer.columns;
  const stepBytes = Math.max(STEP.least, Math.min(STEP.most, Math.floor(READ_BYTES / tops.length)));
  const read = (start: number, end: number): Promise<Uint8Array> => ranges.read(start, end);
  const hasArrow = footer.keyValues.has(ARROW_SCHEMA_KEY);
  const columns = tops.map((top, index) => {
    const field = schema.fields[index];
    if (!field) throw new Failure('data', `${ranges.url}: the schema has fewer columns than the footer`);
    const arrow = hasArrow ? Buffer.from(schemaBytes(new Schema([field]))).toString('base64') : undefined;
    const keyValues = new Map(arrow === undefined ? [] : [[ARROW_SCHEMA_KEY, arrow]]);
    return new Column(read, footer, group.only(top.leaf, top.leaves), top, keyValues, stepBytes);
  });
  // Pages outlive a window or two, so their buffers are not young any more.
  const passing = new PassingBytes(12 << 20, 'major');
  for (let offset = 0; offset < rows; offset += window) {
    const count = Math.min(window, rows - offset);
    const decoded: RecordBatch[][] = [];
    for (let at = 0; at < columns.length; at += AT_ONCE) {
      const files = await Promise.all(columns.slice(at, at + AT_ONCE).map((column) => column.file(offset, count)));
      for (const { bytes, skip } of files) {
        decoded.push([...decodedRows(ranges.url, bytes, skip, count)]);
        // The file, its pages and what they were read as: three buffers of that size are done with.
        passing.passed(3 * bytes.length);
      }
    }
    yield* sideBySide(schema, decoded);
  }
}

/** One column of the group, made into small files. */
class Column {
  private readonly pages: ColumnPages;
  private whole: Uint8Array | undefined;

  constructor(
    private readonly read: (start: number, end: number) => Promise<Uint8Array>,
    private readonly footer: Footer,
    private readonly group: RowGroup,
    private readonly top: TopColumn,
    private readonly keyValues: ReadonlyMap<string, string>,
    stepBytes: number,
  ) {
    const { start, end } = group.span;
    this.pages = new ColumnPages(read, start, end, stepBytes);
  }

  /** A file with the wanted rows in it, and how many rows come before them. */
  async file(first: number, rows: number): Promise<{ bytes: Uint8Array; skip: number }> {
    if (!this.top.flat) return { bytes: (this.whole ??= await this.everything()), skip: first };
    const run = await this.pages.window(first, rows);
    const bytes = run.pieces.reduce((sum, piece) => sum + piece.length, 0);
    const group = this.group.repaged(run.dictionaryBytes, bytes, run.rows);
    return { bytes: Buffer.concat([MAGIC, ...run.pieces, this.closing(group)]), skip: run.skip };
  }

  private async everything(): Promise<Uint8Array> {
    const { start, end } = this.group.span;
    const group = this.group.moved(MAGIC.length - start, 0);
    return Buffer.concat([MAGIC, await this.read(start, end), this.closing(group)]);
  }

  private closing(group: RowGroup): Uint8Array {
    return this.footer.only(this.top, group, this.keyValues).bytes();
  }
}

function* sideBySide(schema: Schema, columns: readonly RecordBatch[][]): Generator<RecordBatch> {
  for (const [index, { numRows: length }] of (columns[0] ?? []).entries()) {
    const children = columns.map((batches) => {
      const data = batches[index]?.data.children[0];
      if (data?.length !== length) throw new Failure('internal', 'the columns were decoded in unequal pieces');
      return data;
    });
    const data = makeData({ type: new Struct(schema.fields), length, nullCount: 0, children });
    yield new RecordBatch(schema, data) as unknown as RecordBatch;
  }
}
