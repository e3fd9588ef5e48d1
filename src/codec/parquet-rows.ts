/** The rows of Parquet files as one stream of NDJSON, Arrow or CSV, with the end record the format has room for. */
import { type RecordBatch, Schema } from 'apache-arrow';
import { type EndRecord, endLine } from '../end-record.js';
import { Failure, codeOf } from '../errors.js';
import { type FileProvenance, PROVENANCE_KEY, type Provenance } from '../provenance.js';
import { batchBytes, endBytes, schemaBytes } from './arrow-bytes.js';
import { csvHeader, csvLines } from './csv-lines.js';
import { ndjsonLines } from './ndjson-lines.js';
import { type OpenedParquet, parquetBatches } from './parquet-batches.js';
import { schemaId } from '../column/parquet-schema.js';
import { PassingBytes } from '../young-garbage.js';

export interface ParquetRowsOptions {
  format: 'ndjson' | 'arrow' | 'csv';
  /** Most rows; undefined = all. */
  limit: number | undefined;
  /** Leaves the end record out of NDJSON. */
  bare: boolean;
  runId: string;
}

/**
 * Every file in turn; all must have the schema of the first (65). A file that fails gives an abort record, where the
 * format has one, and its error. Memory: that of {@link parquetBatches} and one chunk.
 */
export async function* parquetRows(
  files: AsyncIterable<OpenedParquet>,
  options: ParquetRowsOptions,
): AsyncGenerator<Uint8Array | string> {
  const written = new Written(options);
  try {
    for await (const file of files) {
      yield* written.open(file);
      for await (const batch of parquetBatches(file, written.left)) yield* written.batch(batch);
      if (written.left <= 0) break;
    }
  } catch (error) {
    yield* written.end(codeOf(error));
    throw error;
  }
  yield* written.end(0);
}

class Written {
  private rows = 0;
  private bytes = 0;
  private schema: Schema | undefined;
  private first: FileProvenance | undefined;
  private last: FileProvenance | undefined;
  private cut = false;
  private readonly passing = new PassingBytes(2 << 20);

  constructor(private readonly options: ParquetRowsOptions) {}

  get left(): number {
    return (this.options.limit ?? Number.POSITIVE_INFINITY) - this.rows;
  }

  *open(file: OpenedParquet): Generator<Uint8Array | string> {
    const { schema, provenance, rows, ranges } = file;
    this.cut ||= rows > this.left;
    this.last = provenance;
    if (this.schema) {
      if (schemaId(this.schema) === schemaId(schema)) return;
      throw new Failure('data', `${ranges.url} has another schema than the file before it`);
    }
    this.schema = schema;
    this.first = provenance;
    if (this.options.format === 'csv') yield csvHeader(schema);
    if (this.options.format === 'arrow') yield this.counted(schemaBytes(this.described(schema)));
  }

  *batch(batch: RecordBatch): Generator<Uint8Array | string> {
    this.rows += batch.numRows;
    if (this.options.format === 'arrow') return yield this.counted(batchBytes(batch));
    const chunks = this.options.format === 'csv' ? csvLines(batch) : ndjsonLines(batch);
    for (const lines of chunks) yield this.counted(lines);
  }

  *end(code: number): Generator<Uint8Array | string> {
    const { format, bare, runId } = this.options;
    const status = code === 0 ? 'complete' : 'aborted';
    const { table = '', cursor_columns = [], from = null } = this.first ?? {};
    // Where a limit cut the rows nobody has asked for the position of the last one.
    const to = this.cut || code !== 0 ? null : (this.last?.to ?? null);
    const { rows, bytes } = this;
    const record: EndRecord = { status, rows, bytes, run_id: runId, table, cursor_columns, from, to, code };
    if (format === 'arrow') yield endBytes(record);
    if (format === 'ndjson' && !bare) yield endLine(record);
  }

  /** The schema with what the footer says about the rows. */
  private described(schema: Schema): Schema {
    if (!this.first) return schema;
    const { v, table, read, primary_key, cursor_columns, from, columns } = this.first;
    const whole = { v, table, read, primary_key, cursor_columns, from, columns };
    const provenance: Provenance = { ...whole, run_id: this.options.runId, until: null };
    const metadata = new Map(schema.metadata).set(PROVENANCE_KEY, JSON.stringify(provenance));
    return new Schema(schema.fields, metadata);
  }

  private counted<T extends Uint8Array | string>(chunk: T): T {
    const bytes = typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.length;
    this.bytes += bytes;
    this.passing.passed(bytes);
    return chunk;
  }
}
