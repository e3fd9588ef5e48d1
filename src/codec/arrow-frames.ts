/**
 * Reads an Arrow stream message by message without decoding it, and demands its end record.
 *
 * apache-arrow's own reader takes a stream that was cut between two messages for a complete one
 * (reference/arrow-parquet.md 1.2), so the framing is followed here: after the end-of-stream marker the
 * end record must come, and after that nothing.
 */
import { type EndRecord, cutShort, demandComplete } from '../end-record.js';
import { Failure } from '../errors.js';
import type { Codec } from '../stage.js';
import { endRecordOf, isEndSchema } from './arrow-bytes.js';
import { ByteReader } from './byte-reader.js';

export type ArrowItem =
  | { kind: 'schema'; bytes: Uint8Array }
  | { kind: 'dictionary'; bytes: Uint8Array }
  | { kind: 'batch'; bytes: Uint8Array; rows: number }
  | { kind: 'end'; record: EndRecord | null };

export interface ArrowFramesOptions {
  /** Accepts a stream of another program, which has no end record; `record` is then null. */
  allowUnterminated?: boolean;
  /** Where a message is put, for a caller that gives buffers back; a fresh buffer by default. */
  allocate?: (bytes: number) => Uint8Array;
}

/** Header types of an Arrow message (format/Message.fbs of the Arrow specification). */
const SCHEMA = 1;
const DICTIONARY = 2;
const BATCH = 3;

/** Largest metadata and body accepted; a damaged length must not allocate the machine. */
const METADATA_BYTES = 64 * 2 ** 20;
const BODY_BYTES = 2 ** 31 - 1;

/**
 * Yields a schema, then its batches, then exactly one `end`; anything else throws: 82 for a cut, the
 * writer's status for an abort record, 65 for damage or rows that do not add up.
 * Memory: one message, at most twice while it is consumed.
 */
export function arrowFrames(options: ArrowFramesOptions = {}): Codec<Uint8Array, ArrowItem> {
  return async function* frames(input) {
    const reader = new ByteReader(input);
    const allocate = options.allocate ?? ((bytes) => new Uint8Array(bytes));
    let rows = 0;
    let opened = false;
    try {
      for (;;) {
        const message = await readMessage(reader, rows, allocate);
        if (message === 'eof') throw cutShort('Arrow stream', rows);
        if (message === 'end-of-stream') {
          if (!opened) throw new Failure('data', 'the Arrow stream has no schema');
          yield { kind: 'end', record: await closing(reader, rows, options) };
          return;
        }
        const { headerType, bytes } = message;
        if (headerType === SCHEMA) {
          if (isEndSchema(bytes)) throw await aborted(reader, bytes, rows);
          if (opened) throw new Failure('data', 'a second schema follows without an end of the first stream');
          opened = true;
          yield { kind: 'schema', bytes };
        } else if (!opened) {
          throw new Failure('data', 'the Arrow stream does not begin with a schema');
        } else if (headerType === BATCH) {
          rows += message.rows;
          yield { kind: 'batch', bytes, rows: message.rows };
        } else if (headerType === DICTIONARY) {
          yield { kind: 'dictionary', bytes };
        } else {
          throw new Failure('data', `the Arrow stream holds a message of unknown type ${headerType}`);
        }
      }
    } finally {
      await reader.close();
    }
  };
}

/** After the end-of-stream marker: the end record and then nothing. */
async function closing(reader: ByteReader, rows: number, options: ArrowFramesOptions): Promise<EndRecord | null> {
  const message = await readMessage(reader, rows);
  if (message === 'eof') {
    if (options.allowUnterminated) return null;
    throw cutShort('Arrow stream', rows);
  }
  if (message === 'end-of-stream' || message.headerType !== SCHEMA || !isEndSchema(message.bytes)) {
    throw new Failure('data', 'something other than an end record follows the Arrow stream');
  }
  const record = await endRecord(reader, message.bytes, rows);
  demandComplete(record, rows);
  return record;
}

/** An end record in the middle of a stream says that its writer failed. */
async function aborted(reader: ByteReader, schema: Uint8Array, rows: number): Promise<Failure> {
  const record = await endRecord(reader, schema, rows);
  if (record.status !== 'aborted') return new Failure('data', 'an end record claims success in the middle of a stream');
  try {
    demandComplete(record, rows);
  } catch (failure) {
    return failure as Failure;
  }
  return cutShort('Arrow stream', rows);
}

async function endRecord(reader: ByteReader, schema: Uint8Array, rows: number): Promise<EndRecord> {
  const batch = await readMessage(reader, rows);
  if (batch === 'eof') throw cutShort('Arrow stream', rows);
  if (batch === 'end-of-stream' || batch.headerType !== BATCH) throw new Failure('data', 'the end record has no row');
  const record = endRecordOf(schema, batch.bytes);
  const marker = await readMessage(reader, rows);
  if (marker === 'eof') throw cutShort('Arrow stream', rows);
  if (marker !== 'end-of-stream') throw new Failure('data', 'the end record has more than one row');
  if ((await readMessage(reader, rows)) !== 'eof') throw new Failure('data', 'there are bytes after the end record');
  return record;
}

interface RawMessage {
  headerType: number;
  /** Rows of a record batch, else 0. */
  rows: number;
  bytes: Uint8Array;
}

async function readMessage(
  reader: ByteReader,
  rows: number,
  allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes),
): Promise<RawMessage | 'eof' | 'end-of-stream'> {
  const prefix = new Uint8Array(8);
  const got = await reader.fill(prefix);
  if (got === 0) return 'eof';
  if (got < 8) throw cutShort('Arrow stream', rows);
  const prefixView = new DataView(prefix.buffer);
  if (prefixView.getInt32(0, true) !== -1)
    throw new Failure('data', 'this is not an Arrow stream (or one older than 0.15)');
  const metadataBytes = prefixView.getInt32(4, true);
  if (metadataBytes === 0) return 'end-of-stream';
  if (metadataBytes < 16 || metadataBytes > METADATA_BYTES || metadataBytes % 8 !== 0) {
    throw new Failure('data', `an Arrow message claims ${metadataBytes} bytes of metadata`);
  }
  const head = new Uint8Array(metadataBytes);
  if ((await reader.fill(head)) < metadataBytes) throw cutShort('Arrow stream', rows);
  const { headerType, bodyBytes, batchRows } = readHeader(head);
  const bytes = allocate(8 + metadataBytes + bodyBytes);
  bytes.set(prefix);
  bytes.set(head, 8);
  if ((await reader.fill(bytes, 8 + metadataBytes)) < bodyBytes) throw cutShort('Arrow stream', rows);
  return { headerType, rows: batchRows, bytes };
}

/**
 * The three facts needed from a Message flatbuffer, read in place: its header type, the length of its
 * body, and the rows of a record batch. A table starts with the distance back to its vtable, which holds
 * the offset of each field (Flatbuffers internals).
 */
function readHeader(head: Uint8Array): { headerType: number; bodyBytes: number; batchRows: number } {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  try {
    const message = view.getUint32(0, true);
    const headerType = fieldAt(view, message, 1, (at) => view.getUint8(at), 0);
    const bodyBytes = fieldAt(view, message, 3, (at) => Number(view.getBigInt64(at, true)), 0);
    const batch = fieldAt(view, message, 2, (at) => at + view.getUint32(at, true), 0);
    const batchRows = headerType === BATCH ? fieldAt(view, batch, 0, (at) => Number(view.getBigInt64(at, true)), 0) : 0;
    if (bodyBytes < 0 || bodyBytes > BODY_BYTES || bodyBytes % 8 !== 0 || batchRows < 0) throw new RangeError('length');
    return { headerType, bodyBytes, batchRows };
  } catch (cause) {
    throw new Failure('data', 'an Arrow message header is damaged', { cause });
  }
}

function fieldAt(view: DataView, table: number, field: number, read: (at: number) => number, absent: number): number {
  const vtable = table - view.getInt32(table, true);
  const entry = 4 + 2 * field;
  const offset = entry < view.getUint16(vtable, true) ? view.getUint16(vtable + entry, true) : 0;
  return offset === 0 ? absent : read(table + offset);
}
