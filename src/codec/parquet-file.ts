/**
 * One Parquet file: row groups encoded one after another, and a footer written only once every row is accounted for.
 *
 * How many rows go into a row group and into a file depends on the rows alone, never on timing or on how they
 * arrived, so the same rows give the same bytes.
 */
import type { RecordBatch } from 'apache-arrow';
import type { Position } from '../end-record.js';
import { failpoint } from '../failpoint.js';
import { streamedBatch } from './arrow-bytes.js';
import type { BatchCutter, CutBatch } from './arrow-cut.js';
import { withoutDictionary } from './dictionary-choice.js';
import type { Footer } from './parquet-footer.js';
import { MAGIC, type RowGroup } from './parquet-row-group.js';
import { PassingBytes, freeMemory } from '../young-garbage.js';
import { type EncodedGroups, encodeNoRows, encodeRowGroups, parquetWasm } from './row-group-encoder.js';

export type Compression = 'snappy' | 'zstd' | 'gzip' | 'none';

export interface ParquetFileOptions {
  compression: Compression;
  /** Encoded bytes of a row group. */
  rowGroupBytes: number;
  /** Bytes of a finished file; undefined = no limit. */
  fileBytes?: number | undefined;
  /** Rows of a file; undefined = no limit. */
  fileRows?: number | undefined;
}

/** Where the next row of the stream is. */
export class RowCursor {
  private batch: RecordBatch | undefined;
  private row = 0;
  private ended = false;

  constructor(
    private readonly batches: AsyncIterator<RecordBatch>,
    private readonly release: (batch: RecordBatch) => void,
    private readonly positionOf: (batch: RecordBatch, row: number) => Position | null,
  ) {}

  /** Where the last row of a batch stands; gives back the record batches nobody needs after it. */
  close({ pieces }: CutBatch): Position | null {
    const last = pieces.at(-1);
    const position = last ? this.positionOf(last.batch, last.end - 1) : null;
    for (const { batch, end } of pieces) {
      if (end < batch.numRows) continue;
      if (batch === this.batch) this.batch = undefined;
      this.release(batch);
    }
    return position;
  }

  /** True when no row is left, that is, when the stream's end record was accepted. */
  async atEnd(): Promise<boolean> {
    while (!this.ended && (!this.batch || this.row >= this.batch.numRows)) {
      const next = await this.batches.next();
      this.ended = next.done === true;
      this.batch = next.done ? undefined : next.value;
      this.row = 0;
      await failpoint('to-parquet.after-batch');
    }
    return this.ended;
  }

  /** Up to `rows` rows and about `bytes` bytes as one batch; undefined at the end of the stream. */
  async next(cutter: BatchCutter, rows: number, bytes: number): Promise<CutBatch | undefined> {
    while (cutter.pendingRows < rows && !cutter.isFull(bytes)) {
      if (this.batch && this.row >= this.batch.numRows && isLarge(this.batch)) {
        cutter.detach();
        this.release(this.batch);
        this.batch = undefined;
      }
      if (await this.atEnd()) break;
      const before = this.row;
      if (this.batch) this.row = cutter.take(this.batch, before, rows - cutter.pendingRows, bytes);
      if (this.row === before) break;
    }
    return cutter.cut();
  }
}

/** Column buffers beyond which two record batches at a time are too many. */
const LARGE_BATCH_BYTES = 4 << 20;

function isLarge({ data }: RecordBatch): boolean {
  const values = data.children.map((column) => (column.values as Uint8Array | undefined)?.byteLength ?? 0);
  return values.reduce((sum, bytes) => sum + bytes, 0) > LARGE_BATCH_BYTES;
}

/** The first row group of a file is cut blind, by Arrow bytes; the next may be this many times larger. */
const GROWTH = 4;

/** A file is full when less than this part of its size is missing. */
const CLOSE_ENOUGH = 0.03;

/** Row groups in a file of limited size: so many that the last one decides little. */
const GROUPS_PER_FILE = 8;

/** Rows this large arrive in large batches: their row groups are kept small, so that memory stays within its bound. */
const WIDE_ROW_BYTES = 64 << 10;
const WIDE_GROUP_BYTES = 4 << 20;

/** The least of a row group, in Arrow bytes, but for the last of a file of limited size. */
const LEAST_GROUP_BYTES = 64 << 10;

/** Makes the bytes of one file. Memory: one batch and about four encoded row groups. */
export class ParquetFile {
  rows = 0;
  /** Bytes handed out so far. */
  bytes = 0;
  /** Where the last row stands, once there is one; null when no cursor says it. */
  last: Position | null | undefined;
  private readonly groups: RowGroup[] = [];
  private groupBytes: number;
  private footer: Footer | undefined;
  private plain: readonly string[] | undefined;
  private readonly passing = new PassingBytes(4 << 20);

  constructor(
    private readonly cutter: BatchCutter,
    private readonly options: ParquetFileOptions,
  ) {
    const share = Math.ceil((options.fileBytes ?? Number.POSITIVE_INFINITY) / GROUPS_PER_FILE);
    this.groupBytes = Math.min(options.rowGroupBytes, share);
  }

  /**
   * Everything before the footer, taken from the cursor until the file is full or the stream ends. A chunk is empty
   * once the next one was asked for.
   */
  async *body(cursor: RowCursor): AsyncGenerator<Uint8Array> {
    let arrowLimit = Math.max(this.groupBytes, LEAST_GROUP_BYTES);
    while (this.rows < this.mostRows && !(await cursor.atEnd())) {
      const { encoded, arrowBytes } = await this.encode(cursor, arrowLimit);
      yield* this.place(encoded);
      const ratio = encoded.bytes / arrowBytes;
      const missing = this.missingBytes();
      if (missing !== undefined && missing < (this.options.fileBytes ?? 0) * CLOSE_ENOUGH) break;
      const wanted = Math.min(this.groupBytes, missing ?? Number.POSITIVE_INFINITY) / ratio;
      // What is missing from a small file may be less than a row group has otherwise.
      arrowLimit = Math.ceil(Math.min(wanted, Math.max(arrowLimit * GROWTH, LEAST_GROUP_BYTES)));
    }
    if (this.groups.length === 0) yield* this.place(encodeNoRows(this.cutter.emptyStream, this.properties()));
  }

  /** The footer, which makes the file valid: to be asked for only when its rows are known to be complete. */
  async end(keyValues: ReadonlyMap<string, string>): Promise<Uint8Array> {
    await failpoint('to-parquet.before-footer');
    return this.handed(this.closing(keyValues).bytes());
  }

  private async encode(cursor: RowCursor, most: number): Promise<{ encoded: EncodedGroups; arrowBytes: number }> {
    let limit = most;
    let arrowBytes = 0;
    const take = async (): Promise<CutBatch | undefined> => {
      if (arrowBytes >= limit || this.rows >= this.mostRows) return undefined;
      const batch = await cursor.next(this.cutter, this.mostRows - this.rows, limit - arrowBytes);
      if (!batch) return undefined;
      arrowBytes += batch.arrowBytes;
      this.rows += batch.rows;
      this.last = cursor.close(batch);
      return batch;
    };
    let first = await take();
    if (first && this.plain === undefined) {
      this.plain = withoutDictionary(streamedBatch(first.bytes));
      if (first.arrowBytes > first.rows * WIDE_ROW_BYTES) this.groupBytes = Math.min(this.groupBytes, WIDE_GROUP_BYTES);
      limit = Math.min(limit, this.groupBytes);
    }
    const encoded = await encodeRowGroups(async () => {
      const batch = first ?? (await take());
      first = undefined;
      return batch;
    }, this.properties());
    return { encoded, arrowBytes };
  }

  private *place(encoded: EncodedGroups): Generator<Uint8Array> {
    this.footer ??= encoded.footer;
    // The magic waits for something to follow it: alone it would look like the end of a file.
    if (this.bytes === 0) yield this.handed(MAGIC);
    // Its bytes began right after a magic of their own.
    const by = this.bytes - MAGIC.length;
    for (const group of encoded.footer.rowGroups) this.groups.push(group.moved(by, this.groups.length));
    for (const chunk of encoded.chunks) {
      const { length } = chunk;
      yield this.handed(chunk);
      freeMemory(chunk);
      this.passing.passed(length);
    }
  }

  private closing(keyValues: ReadonlyMap<string, string>): Footer {
    if (!this.footer) throw new Error('a footer is asked for before the body');
    return this.footer.with(this.groups, new Map([...this.footer.keyValues, ...keyValues]));
  }

  private missingBytes(): number | undefined {
    const { fileBytes } = this.options;
    return fileBytes === undefined ? undefined : fileBytes - this.bytes - this.closing(new Map()).bytes().length;
  }

  private get mostRows(): number {
    return this.options.fileRows ?? Number.MAX_SAFE_INTEGER;
  }

  private handed(bytes: Uint8Array): Uint8Array {
    this.bytes += bytes.length;
    return bytes;
  }

  private properties(): ReturnType<WriterPropertiesBuilder['build']> {
    const { WriterPropertiesBuilder: Builder, Compression: Codec, EnabledStatistics } = parquetWasm();
    const codec = { snappy: Codec.SNAPPY, zstd: Codec.ZSTD, gzip: Codec.GZIP, none: Codec.UNCOMPRESSED };
    let builder = new Builder()
      .setCompression(codec[this.options.compression])
      .setStatisticsEnabled(EnabledStatistics.Chunk)
      // A guard for rows that suddenly compress worse than those before them.
      .setMaxRowGroupBytes(Math.ceil(this.groupBytes * 1.25));
    for (const name of this.plain ?? []) builder = builder.setColumnDictionaryEnabled(name, false);
    return builder.build();
  }
}

type WriterPropertiesBuilder = import('parquet-wasm/node').WriterPropertiesBuilder;
