/**
 * Arrow IPC messages as bytes: schema, record batch, end of stream, and the end record that follows it.
 * The end record is a second Arrow stream of one row; after an aborted stream it comes without the
 * end-of-stream marker before it. Framing: reference/arrow-parquet.md 1.1.
 */
import {
  Field,
  type RecordBatch,
  RecordBatch as Batch,
  RecordBatchReader,
  Schema,
  Struct,
  Utf8,
  makeData,
  vectorFromArray,
} from 'apache-arrow';
import { Message } from 'apache-arrow/ipc/metadata/message';
import * as metadata from 'apache-arrow/ipc/metadata/message';
import { VectorAssembler } from 'apache-arrow/visitor/vectorassembler';
import { type EndRecord, checkedEndRecord } from '../end-record.js';
import { Failure } from '../errors.js';

/** The marker that closes an Arrow stream: a continuation word and a zero length. */
export const ARROW_END = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

const END_COLUMN = '_tablepipe_end';

/** A schema message. */
export function schemaBytes(schema: Schema): Uint8Array {
  return framed(Message.encode(Message.from(schema)), []);
}

/** Gives memory for a message; what it holds is undefined. */
export type Allocate = (bytes: number) => Uint8Array;

/** A record batch message, copied into one buffer: the column buffers may be reused afterwards. */
export function batchBytes(batch: RecordBatch, allocate: Allocate = uncleared): Uint8Array {
  const { byteLength, nodes, bufferRegions, buffers, variadicBufferCounts } = VectorAssembler.assemble(batch);
  const header = new metadata.RecordBatch(batch.numRows, nodes, bufferRegions, null, variadicBufferCounts);
  return framed(Message.encode(Message.from(header, byteLength)), buffers, allocate);
}

/** Memory that is not cleared first: for megabytes of columns that is a third of the work. */
function uncleared(bytes: number): Uint8Array {
  const slow = Buffer.allocUnsafeSlow(bytes);
  return new Uint8Array(slow.buffer, slow.byteOffset, slow.byteLength);
}

/** Prefix, metadata padded to eight bytes, body with every buffer padded to eight bytes. */
function framed(message: Uint8Array, buffers: readonly ArrayBufferView[], allocate = uncleared): Uint8Array {
  const metadataBytes = padded(message.length);
  const bodyBytes = buffers.reduce((sum, buffer) => sum + padded(buffer.byteLength), 0);
  const bytes = allocate(8 + metadataBytes + bodyBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(0, -1, true);
  view.setInt32(4, metadataBytes, true);
  let at = 8;
  for (const part of [message, ...buffers]) {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
    for (const end = padded(at); at < end; at += 1) bytes[at] = 0;
  }
  return bytes;
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** What closes a stream: the marker, when it is complete, and the end record. */
export function endBytes(record: EndRecord): Uint8Array {
  const schema = new Schema([new Field(END_COLUMN, new Utf8(), false)]);
  const value = vectorFromArray([JSON.stringify(record)], new Utf8()).data[0];
  if (!value) throw new Error('one row gives one chunk');
  const row = makeData({ type: new Struct(schema.fields), length: 1, nullCount: 0, children: [value] });
  const parts = [schemaBytes(schema), batchBytes(new Batch(schema, row) as unknown as RecordBatch), ARROW_END];
  if (record.status === 'complete') parts.unshift(ARROW_END);
  return joined(parts);
}

/** True when a schema message opens an end record. */
export function isEndSchema(frame: Uint8Array): boolean {
  const fields = schemaOf(frame).fields;
  return fields.length === 1 && fields[0]?.name === END_COLUMN;
}

/** The end record in the two messages that follow its schema. */
export function endRecordOf(schemaFrame: Uint8Array, batchFrame: Uint8Array): EndRecord {
  let text: unknown;
  try {
    text = decodeBatch(schemaFrame, batchFrame).getChildAt(0)?.get(0);
  } catch (cause) {
    throw new Failure('data', 'the end record of the Arrow stream is damaged', { cause });
  }
  try {
    return checkedEndRecord(JSON.parse(String(text)));
  } catch (cause) {
    throw new Failure('data', 'the end record of the Arrow stream is damaged', { cause });
  }
}

/** The schema in a schema message; 65 when it cannot be read. */
export function schemaOf(frame: Uint8Array): Schema {
  try {
    const reader = RecordBatchReader.from([frame, ARROW_END]);
    reader.open();
    return reader.schema;
  } catch (cause) {
    const unknown = /Unrecognized type/.test(String(cause));
    throw new Failure('data', `the schema of the Arrow stream ${unknown ? 'has an unknown type' : 'is damaged'}`, {
      cause,
      ...(unknown ? { hint: 'Send plain columns.' } : {}),
    });
  }
}

/** The dictionary messages a batch needs: the last of each dictionary, and what was added to it since. */
export class Dictionaries {
  private readonly kept = new Map<number, Uint8Array[]>();

  get frames(): Uint8Array[] {
    return [...this.kept.values()].flat();
  }

  add(frame: Uint8Array): void {
    try {
      const { id, isDelta } = Message.decode(frame.subarray(8)).header() as metadata.DictionaryBatch;
      this.kept.set(id, isDelta ? [...(this.kept.get(id) ?? []), frame] : [frame]);
    } catch (cause) {
      throw new Failure('data', 'a dictionary of the Arrow stream is damaged', { cause });
    }
  }
}

/** A record batch message as columns; the columns point into `batchFrame`, and to the dictionaries they need. */
export function decodeBatch(
  schemaFrame: Uint8Array,
  batchFrame: Uint8Array,
  dictionaries: readonly Uint8Array[] = [],
): RecordBatch {
  const frames = [schemaFrame, ...dictionaries, batchFrame, ARROW_END];
  for (const batch of RecordBatchReader.from(frames)) return batch as RecordBatch;
  throw new Failure('data', 'a record batch of the Arrow stream is damaged');
}

/** The one batch of a complete stream; the columns point into `bytes`. */
export function streamedBatch(bytes: Uint8Array): RecordBatch {
  for (const batch of RecordBatchReader.from(bytes)) return batch as RecordBatch;
  throw new Failure('data', 'an Arrow stream has no batch');
}

/** The parts as one buffer. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
