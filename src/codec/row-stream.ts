/** Rows on their way into Parquet, whatever they were on the wire: a schema, then record batches, then the end. */
import type { RecordBatch, Schema } from 'apache-arrow';
import type { EndRecord, Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { PROVENANCE_KEY, type Provenance, parseProvenance } from '../provenance.js';
import { Dictionaries, decodeBatch, schemaOf } from './arrow-bytes.js';
import type { ArrowItem } from './arrow-frames.js';
import type { BufferPool } from './buffer-pool.js';

export interface RowStream {
  schema: Schema;
  provenance: Provenance;
  /** In order; ends only after the end record was accepted, else throws (82, 65 or the writer's own status). */
  batches: AsyncIterable<RecordBatch>;
  /** Set once `batches` has ended; null when the input had none and that was allowed. */
  end: EndRecord | null | undefined;
  /** Says that nobody will look at a batch again: its memory is used for another one. */
  release: (batch: RecordBatch) => void;
  /** Where a row stands that was taken out and is followed by no other: what was read ends there. */
  takenOut?: Position | undefined;
  /** Brings rows that were taken out onto the disk; to be awaited before a file that passes over them is finished. */
  settle?: () => Promise<void>;
}

/** The rows of an Arrow stream. Reads up to the schema. Memory: one batch. */
export async function arrowRows(input: AsyncIterable<ArrowItem>, runId: string, pool: BufferPool): Promise<RowStream> {
  const items = input[Symbol.asyncIterator]();
  const first = await items.next();
  if (first.done || first.value.kind !== 'schema') throw new Failure('data', 'the Arrow stream has no schema');
  const frame = first.value.bytes;
  const schema = schemaOf(frame);
  const buffers = new WeakMap<RecordBatch, Uint8Array>();
  const release = (batch: RecordBatch): void => {
    const bytes = buffers.get(batch);
    buffers.delete(batch);
    if (bytes) pool.give(bytes);
  };
  const provenance = provenanceOf(schema, runId);
  const dictionaries = new Dictionaries();
  const stream: RowStream = { schema, provenance, batches: rows(), end: undefined, release };
  return stream;

  async function* rows(): AsyncGenerator<RecordBatch> {
    try {
      for (let next = await items.next(); !next.done; next = await items.next()) {
        const item = next.value;
        if (item.kind === 'batch') {
          const batch = decoded(frame, dictionaries.frames, item);
          buffers.set(batch, item.bytes);
          yield batch;
        } else if (item.kind === 'end') stream.end = item.record;
        else if (item.kind === 'dictionary') dictionaries.add(item.bytes);
      }
    } finally {
      await items.return?.();
    }
  }
}

/** Also a batch that is longer or shorter than its header says is damage, not a bug of ours. */
function decoded(
  frame: Uint8Array,
  dictionaries: readonly Uint8Array[],
  { bytes, rows }: { bytes: Uint8Array; rows: number },
): RecordBatch {
  let batch;
  try {
    batch = decodeBatch(frame, bytes, dictionaries);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    if (/compressed/.test(String(cause))) {
      throw new Failure('data', 'the batches of the Arrow stream are compressed', {
        hint: 'Write them without: the Parquet file is compressed anyway.',
        cause,
      });
    }
    throw new Failure('data', 'a record batch of the Arrow stream is damaged', { cause });
  }
  if (batch.numRows !== rows) throw new Failure('data', 'a record batch of the Arrow stream is damaged');
  return batch;
}

/** What the stream says about itself; a stream of another program says nothing and counts as a snapshot. */
function provenanceOf(schema: Schema, runId: string): Provenance {
  const text = schema.metadata.get(PROVENANCE_KEY);
  return text === undefined ? unknownProvenance(runId) : parseProvenance(text);
}

/** Provenance of rows whose origin nobody named. */
export function unknownProvenance(runId: string, table = ''): Provenance {
  return {
    v: 1,
    table,
    read: 'snapshot',
    primary_key: [],
    cursor_columns: [],
    from: null,
    columns: {},
    run_id: runId,
    until: null,
  };
}
