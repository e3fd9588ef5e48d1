/**
 * NDJSON and Singer messages as rows. Their positions are not known before their end, so such a stream counts as a
 * snapshot: only Arrow carries a cursor.
 */
import { RecordBatch, type Schema, Struct, makeData } from 'apache-arrow';
import { ColumnBuilder, Unfit } from '../column/from-json.js';
import { type JsonSchema, inferredSchema, schemaOfSinger } from '../column/json-schema.js';
import { typeName } from '../column/type-name.js';
import { type EndRecord, cutShort, demandComplete, endRecordOfLine } from '../end-record.js';
import { Failure } from '../errors.js';
import { type JsonLine, jsonLines, parsedObject } from './json-lines.js';
import { type RowStream, unknownProvenance } from './row-stream.js';

export interface NdjsonOptions {
  allowUnterminated: boolean;
  runId: string;
  /** What the columns are; undefined for Singer, or to guess. */
  schema: JsonSchema | undefined;
  infer: boolean;
  note: (text: string) => void;
}

/** Rows looked at to guess the columns. */
const INFER_ROWS = 1000;

/** Rows and bytes of one batch. */
const BATCH_ROWS = 8192;
const BATCH_BYTES = 4 << 20;

/** One row with the line it came from; `end` closes the stream. */
type Item = { row: Record<string, unknown>; line: number } | { end: EndRecord | null };

/** Reads as far as the columns need. Memory: one batch, one line; to guess, a thousand rows. */
export async function ndjsonRows(input: AsyncIterable<Uint8Array>, options: NdjsonOptions): Promise<RowStream> {
  const reader = new Reader(jsonLines(input), options.allowUnterminated);
  const seen = await reader.ahead(options.infer && !options.schema ? INFER_ROWS : 1);
  const known = options.schema ?? reader.singer ?? guessed(seen, options);
  const stream: RowStream = {
    schema: known.schema,
    provenance: { ...unknownProvenance(options.runId, known.table), primary_key: known.primaryKey },
    batches: batches(reader, known.schema, (end) => (stream.end = end)),
    end: undefined,
    release: () => {},
  };
  return stream;
}

function guessed(seen: readonly Item[], { infer, note }: NdjsonOptions): JsonSchema {
  if (!infer) {
    throw new Failure('usage', 'NDJSON does not say what its columns are', {
      hint: 'Give --schema FILE (as `from-parquet --schema` prints it), or --infer to guess.',
    });
  }
  const rows = seen.flatMap((item) => ('row' in item ? [item.row] : []));
  const schema = inferredSchema(rows);
  const columns = schema.fields.map(({ name, type }) => `${name} ${typeName(type)}`).join(', ');
  note(`columns guessed from ${rows.length} rows: ${columns}`);
  return { schema, table: '', primaryKey: [] };
}

async function* batches(
  reader: Reader,
  schema: Schema,
  ended: (end: EndRecord | null) => void,
): AsyncGenerator<RecordBatch> {
  const builders = schema.fields.map(({ type, nullable }) => new ColumnBuilder(type, nullable));
  const names = new Set(schema.fields.map(({ name }) => name));
  let rows = 0;
  let bytes = 0;
  const batch = (): RecordBatch => {
    const children = builders.map((builder) => builder.finish());
    const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children });
    rows = 0;
    bytes = 0;
    return new RecordBatch(schema, data);
  };
  for await (const item of reader.items()) {
    if ('end' in item) {
      if (rows > 0) yield batch();
      ended(item.end);
      return;
    }
    const stranger = Object.keys(item.row).find((key) => !names.has(key));
    if (stranger !== undefined) throw new Failure('data', `line ${item.line}: there is no column ${stranger}`);
    for (const [index, builder] of builders.entries()) bytes += added(builder, item, schema.fields[index]?.name ?? '');
    rows += 1;
    if (rows >= BATCH_ROWS || bytes >= BATCH_BYTES) yield batch();
  }
}

function added(
  builder: ColumnBuilder,
  { row, line }: { row: Record<string, unknown>; line: number },
  name: string,
): number {
  try {
    return builder.add(row[name]);
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw new Failure('data', `line ${line}: ${name} ${error.message}`);
  }
}

/** Tells rows from messages and control lines, and demands the end. */
class Reader {
  /** The columns, when the first line was a Singer SCHEMA message. */
  singer: JsonSchema | undefined;
  private seen: Item[] = [];
  private rows = 0;
  private stream: unknown;
  private readonly source: AsyncGenerator<Item>;

  constructor(
    private readonly lines: AsyncGenerator<JsonLine>,
    private readonly allowUnterminated: boolean,
  ) {
    this.source = this.read();
  }

  /** Up to `count` items that `items` will give again. */
  async ahead(count: number): Promise<readonly Item[]> {
    while (this.seen.length < count && !this.seen.some((item) => 'end' in item)) {
      const next = await this.source.next();
      if (next.done) break;
      this.seen.push(next.value);
    }
    return this.seen;
  }

  async *items(): AsyncGenerator<Item> {
    const seen = this.seen;
    this.seen = [];
    yield* seen;
    yield* this.source;
  }

  private async *read(): AsyncGenerator<Item> {
    let end: EndRecord | undefined;
    for await (const line of this.lines) {
      if (end) throw new Failure('data', 'there is a line after the end record');
      end = line.whole || line.text.endsWith('}') ? this.endOf(line) : undefined;
      if (end) {
        if (!line.whole) throw cutShort('NDJSON', this.rows);
        demandComplete(end, this.rows);
        continue;
      }
      const row = this.rowOf(parsedObject(line), line.number);
      if (!row) continue;
      if (!line.whole && !this.allowUnterminated) throw cutShort('NDJSON', this.rows);
      this.rows += 1;
      yield { row, line: line.number };
    }
    if (!end && !this.allowUnterminated) throw cutShort('NDJSON', this.rows);
    yield { end: end ?? null };
  }

  private endOf(line: JsonLine): EndRecord | undefined {
    try {
      return endRecordOfLine(line.text);
    } catch (error) {
      if (line.whole) throw error;
      return undefined;
    }
  }

  /** The row in an object, or undefined for a Singer message that is none. */
  private rowOf(value: Record<string, unknown>, line: number): Record<string, unknown> | undefined {
    if (!this.singer && !(this.rows === 0 && value.type === 'SCHEMA' && 'schema' in value)) return value;
    if (value.type === 'RECORD') {
      if (value.stream !== this.stream)
        throw new Failure('data', `line ${line}: a second Singer stream, ${String(value.stream)}`);
      return (value.record ?? {}) as Record<string, unknown>;
    }
    if (value.type === 'SCHEMA') {
      if (this.singer && value.stream === this.stream) return undefined;
      if (this.singer) throw new Failure('data', `line ${line}: a second Singer stream, ${String(value.stream)}`);
      this.singer = schemaOfSinger(value);
      this.stream = value.stream;
    }
    return undefined;
  }
}
