/**
 * Parquet back to Arrow, a window of rows at a time, over anything that can be read by range: the footer first,
 * then each row group as a small file of its own, so that only what is asked for is fetched and decoded.
 */
import { type RecordBatch, RecordBatchReader, type Schema } from 'apache-arrow';
import { Failure } from '../errors.js';
import { type FileProvenance, PROVENANCE_KEY, parseProvenance } from '../provenance.js';
import { asError, decodedRows } from './parquet-decode.js';
import { type Footer, TAIL_BYTES, footerBytes, parseFooter } from './parquet-footer.js';
import { MAGIC, type RowGroup } from './parquet-row-group.js';
import { parquetWasm } from './row-group-encoder.js';
import { windowedBatches } from './row-windows.js';

/** What is read: an object in a store, a file, or a spooled stream. */
export interface ByteRanges {
  /** Named in messages. */
  readonly url: string;
  readonly byteLength: number;
  /** Bytes `start` (inclusive) to `end` (exclusive). */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** Read from the end of a file at first: most footers are shorter, and one request then is enough. */
const TAIL_GUESS_BYTES = 64 << 10;

/** Rows and bytes decoded at once; a row group may hold many times as much. */
const WINDOW_ROWS = 65_536;
const WINDOW_BYTES = 16 << 20;
/** The same where the pages are put together first, and are there several times over for a moment. */
const PAGED_BYTES = 1 << 20;

/** A larger row group is never held as a whole; of one above the second bound the first few rows are had without it. */
const WHOLE_GROUP_BYTES = 24 << 20;
const FEW_BYTES = 1 << 20;

export interface OpenedParquet {
  ranges: ByteRanges;
  footer: Footer;
  schema: Schema;
  rows: number;
  /** What the file says about itself, when it is one of ours. */
  provenance: FileProvenance | undefined;
}

/** Reads footer and schema: one or two ranges. 82 when the file does not end in a footer, 65 when it is damaged. */
export async function openParquet(ranges: ByteRanges): Promise<OpenedParquet> {
  const { url, byteLength } = ranges;
  if (byteLength < MAGIC.length + TAIL_BYTES) {
    throw new Failure('truncated', `${url} has ${byteLength} bytes, too few for a Parquet file`);
  }
  const guess = Math.max(0, byteLength - TAIL_GUESS_BYTES);
  let end = await ranges.read(guess, byteLength);
  const length = named(url, () => footerBytes(end.subarray(-TAIL_BYTES), byteLength));
  if (length + TAIL_BYTES > end.length) end = await ranges.read(byteLength - length - TAIL_BYTES, byteLength);
  const footer = named(url, () => parseFooter(end.subarray(end.length - length - TAIL_BYTES, end.length - TAIL_BYTES)));
  for (const { span, rows } of footer.rowGroups) {
    const inside = span.start >= MAGIC.length && span.end <= byteLength - length - TAIL_BYTES;
    if (rows > 0 && !inside) throw new Failure('data', `${url}: a row group lies outside the file`);
  }
  const text = footer.keyValues.get(PROVENANCE_KEY);
  const provenance =
    text === undefined ? undefined : (named(url, () => parseProvenance(text)) as unknown as FileProvenance);
  return { ranges, footer, schema: schemaOfFooter(url, footer), rows: footer.rows, provenance };
}

/**
 * The rows in order, at most `limit` of them. Memory: one encoded row group of at most 24 MiB, or the pages of one
 * window of a larger one, and twice 16 MiB or 65,536 rows decoded. Throws 65 when a row group holds other rows than
 * the footer says.
 */
export async function* parquetBatches(
  file: OpenedParquet,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<RecordBatch> {
  let left = limit;
  for (const group of file.footer.rowGroups) {
    if (left <= 0) return;
    const rows = Math.min(group.rows, left);
    if (rows > 0) yield* groupBatches(file, group, rows);
    left -= rows;
  }
}

async function* groupBatches(file: OpenedParquet, group: RowGroup, rows: number): AsyncGenerator<RecordBatch> {
  const { ranges, footer } = file;
  const { start, end } = group.span;
  const few = end - start > FEW_BYTES && rows <= group.rows / 8;
  const windowed = few || end - start > WHOLE_GROUP_BYTES;
  const bytesPerRow = Math.max(1, group.uncompressedBytes / group.rows);
  const window = Math.ceil(Math.min(WINDOW_ROWS, (windowed ? PAGED_BYTES : WINDOW_BYTES) / bytesPerRow));
  if (windowed) return yield* windowedBatches(file, group, rows, window);
  const alone = footer.with([group.moved(MAGIC.length - start, 0)], new Map(footer.keyValues));
  const bytes = Buffer.concat([MAGIC, await ranges.read(start, end), alone.bytes()]);
  for (let offset = 0; offset < rows; offset += window) {
    yield* decodedRows(ranges.url, bytes, offset, Math.min(window, rows - offset));
  }
}

/** The Arrow schema, as the decoder will give it, from a file of this footer and no rows. */
function schemaOfFooter(url: string, footer: Footer): Schema {
  const empty = Buffer.concat([MAGIC, footer.with([], footer.keyValues).bytes()]);
  try {
    const reader = RecordBatchReader.from(parquetWasm().readSchema(empty).intoIPCStream());
    reader.open();
    return reader.schema;
  } catch (error) {
    throw new Failure('data', `${url}: the schema cannot be read`, { cause: asError(error) });
  }
}

/** Puts the object's name before what is wrong with it. */
function named<T>(url: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { kind, message, hint, cause } = error;
    throw new Failure(kind, `${url}: ${message}`, { ...(hint === undefined ? {} : { hint }), cause });
  }
}
