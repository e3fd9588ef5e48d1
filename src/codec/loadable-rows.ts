/**
 * Rows a warehouse can load, before anything is uploaded: what it cannot hold is refused with the row's key and the
 * column, or treated as the caller asked. Batches without such a value pass untouched.
 */
import { type Data, DataType, type Field, RecordBatch, Struct, makeData } from 'apache-arrow';
import { type PositionReader, isNull, positionReader } from '../column/position-text.js';
import {
  type Refused,
  demandRedshiftTypes,
  loadableStart,
  refusedRows,
  valueBytes,
} from '../column/redshift-limits.js';
import { Failure } from '../errors.js';
import { MYSQL_TYPE_KEY } from '../provenance.js';
import { ndjsonLines } from './ndjson-lines.js';
import { rowNames } from './row-name.js';
import type { RowStream } from './row-stream.js';

/** `fail` stops; `null` and `truncate` change the value; `quarantine` takes the whole row out. */
export type OversizePolicy = 'fail' | 'null' | 'truncate' | 'quarantine';

export interface LoadableOptions {
  policy: OversizePolicy;
  /** Keeps a row that was taken out, as one line of JSON. */
  quarantine: (line: string) => Promise<void>;
  /** Makes what was kept durable. */
  settle: () => Promise<void>;
  /** Text columns whose values are JSON for SUPER. */
  documents?: ReadonlySet<string>;
}

/** How often each column was touched. */
export type Touched = Map<string, number>;

/** Puts the check between a stream and who reads it; `touched` counts as the rows pass. */
export function loadableRows(stream: RowStream, options: LoadableOptions, touched: Touched): RowStream {
  demandRedshiftTypes(stream.schema.fields);
  demandDocuments(stream.schema.fields, options.documents ?? new Set());
  const check = new Check(stream, options, touched);
  const { batches } = stream;
  stream.settle = options.settle;
  stream.batches = (async function* checked(): AsyncGenerator<RecordBatch> {
    for await (const batch of batches) {
      for await (const part of check.batch(batch)) {
        stream.takenOut = undefined;
        yield part;
      }
    }
  })();
  return stream;
}

interface Found extends Refused {
  column: number;
}

class Check {
  private readonly nameOf: ReturnType<typeof rowNames>;
  private readonly position: PositionReader | undefined;
  private rows = 0;

  constructor(
    private readonly stream: RowStream,
    private readonly options: LoadableOptions,
    private readonly touched: Touched,
  ) {
    this.nameOf = rowNames(stream);
    const { cursor_columns: cursor } = stream.provenance;
    if (cursor.length > 0) this.position = positionReader(stream.schema.fields, cursor);
  }

  async *batch(batch: RecordBatch): AsyncGenerator<RecordBatch> {
    const found: Found[] = batch.data.children.flatMap((data, column) =>
      refusedRows(data, batch.numRows, this.isDocument(batch, column)).map((refused) => ({ ...refused, column })),
    );
    const before = this.rows;
    this.rows += batch.numRows;
    if (found.length === 0) return yield batch;
    const { policy } = this.options;
    const [first] = found;
    if (policy === 'fail' && first) throw this.refusal(batch, first, before);
    if (policy === 'quarantine') return yield* this.withoutRows(batch, found);
    const changed = this.changed(batch, found, before);
    this.count(batch, found);
    yield changed;
  }

  private count({ schema }: RecordBatch, found: readonly Found[]): void {
    for (const { column } of found) {
      const name = schema.fields[column]?.name ?? '';
      this.touched.set(name, (this.touched.get(name) ?? 0) + 1);
    }
  }

  private async *withoutRows(batch: RecordBatch, found: readonly Found[]): AsyncGenerator<RecordBatch> {
    const reasons = new Map<number, string[]>();
    for (const { row, column, why } of found) {
      const text = `${batch.schema.fields[column]?.name} ${why}`;
      reasons.set(row, [...(reasons.get(row) ?? []), text]);
    }
    let from = 0;
    for (const [row, why] of [...reasons].sort(([a], [b]) => a - b)) {
      const [line = ''] = ndjsonLines(batch.slice(row, row + 1) as RecordBatch);
      const { table } = this.stream.provenance;
      await this.options.quarantine(
        `{"table":${JSON.stringify(table)},"why":${JSON.stringify(why)},"row":${line.trimEnd()}}\n`,
      );
      this.count(
        batch,
        found.filter((one) => one.row === row),
      );
      if (row > from) yield batch.slice(from, row) as RecordBatch;
      from = row + 1;
      this.stream.takenOut = this.position?.(batch, row);
    }
    if (from < batch.numRows) yield batch.slice(from, batch.numRows) as RecordBatch;
  }

  /** The batch with the refused values cut or taken away. */
  private changed(batch: RecordBatch, found: readonly Found[], before: number): RecordBatch {
    const children = batch.data.children.map((data, column) => {
      const here = found.filter((one) => one.column === column);
      const [first] = here;
      if (!first) return data;
      const truncates = this.options.policy === 'truncate';
      if (truncates && this.isDocument(batch, column)) {
        throw this.refusal(batch, first, before, 'Half a document is none.');
      }
      const cut = truncates && DataType.isUtf8(data.type);
      if (!cut && !batch.schema.fields[column]?.nullable) {
        throw this.refusal(batch, first, before, 'It cannot be NULL: the column is NOT NULL.');
      }
      return cut || DataType.isUtf8(data.type) || DataType.isBinary(data.type)
        ? rebuilt(data, batch.numRows, here, cut)
        : nulled(data, batch.numRows, here);
    });
    const type = new Struct(batch.schema.fields);
    return new RecordBatch(batch.schema, makeData({ type, length: batch.numRows, nullCount: 0, children }));
  }

  private isDocument({ schema }: RecordBatch, column: number): boolean {
    return this.options.documents?.has(schema.fields[column]?.name ?? '') ?? false;
  }

  private refusal(batch: RecordBatch, { row, column, why }: Found, before: number, more = ''): Failure {
    const name = batch.schema.fields[column]?.name;
    const json = batch.schema.fields[column]?.metadata.get(MYSQL_TYPE_KEY) === 'json';
    const document =
      json && !this.isDocument(batch, column) ? `Write the documents for SUPER with --super ${name}.` : '';
    return new Failure('data', `${name} of the row ${this.nameOf(batch, row, before)} ${why}`, {
      hint: `${more} ${document} Choose --on-oversize null, truncate or quarantine, or --target any.`
        .trim()
        .replaceAll(/ +/g, ' '),
    });
  }
}

/** 64 for a column that is not there, or is no text. */
function demandDocuments(fields: readonly Field[], documents: ReadonlySet<string>): void {
  for (const name of documents) {
    const field = fields.find((one) => one.name === name);
    if (field && DataType.isUtf8(field.type)) continue;
    throw new Failure('usage', `--super ${name}: the rows have no text column of this name`);
  }
}

/** A text or binary column with other values in some rows: their loadable beginning, or NULL. */
function rebuilt(data: Data, rows: number, found: readonly Refused[], cut: boolean): Data {
  const refused = new Set(found.map(({ row }) => row));
  const nothing = new Uint8Array(0);
  const parts = Array.from({ length: rows }, (_, row) => {
    if (isNull(data, row)) return nothing;
    if (!refused.has(row)) return valueBytes(data, row);
    return cut ? loadableStart(valueBytes(data, row)) : nothing;
  });
  const valueOffsets = new Int32Array(rows + 1);
  parts.forEach((part, row) => (valueOffsets[row + 1] = (valueOffsets[row] ?? 0) + part.length));
  const validity = validityWithout(data, rows, cut ? new Set() : refused);
  return makeData({ type: data.type, length: rows, ...validity, valueOffsets, data: Buffer.concat(parts) } as never);
}

function nulled(data: Data, rows: number, found: readonly Refused[]): Data {
  const validity = validityWithout(data, rows, new Set(found.map(({ row }) => row)));
  return makeData({ type: data.type, length: rows, ...validity, data: data.values } as never);
}

function validityWithout(
  data: Data,
  rows: number,
  gone: ReadonlySet<number>,
): { nullBitmap: Uint8Array; nullCount: number } {
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let row = 0; row < rows; row += 1) {
    if (isNull(data, row) || gone.has(row)) nullCount += 1;
    else nullBitmap[row >> 3] = (nullBitmap[row >> 3] ?? 0) | (1 << (row & 7));
  }
  return { nullBitmap, nullCount };
}
