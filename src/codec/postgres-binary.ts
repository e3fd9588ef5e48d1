/**
 * Arrow batches in, the bytes of a binary COPY out. Values go from column buffers to the wire without becoming
 * JavaScript values; only decimals wider than 53 bits pass through a bigint.
 * Format: PostgreSQL manual, COPY, "Binary Format"; the values are those of the *_recv functions.
 * Memory: one batch and one chunk.
 */
import type { RecordBatch } from 'apache-arrow';
import type { BinaryForm } from '../column/to-postgres.js';
import { type CellWriter, type TextPolicy, cellWriter } from './postgres-cell.js';

export interface CopyColumn {
  /** As the file names it, for messages. */
  name: string;
  form: BinaryForm;
}

export interface BinaryOptions {
  /** What a NUL character in text becomes; PostgreSQL stores none. */
  nul: TextPolicy;
  /** Adds an int8 column that counts rows, going on from here: which of two rows came later. */
  order?: { next: number };
}

/** Bytes collected before they are handed on: large enough that the cost per message vanishes. */
const CHUNK = 256 << 10;

const SIGNATURE = Buffer.from('PGCOPY\n\u00ff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

/** Encodes batches whose columns are `columns`, in that order. A source that fails leaves no trailer behind. */
export async function* postgresBinary(
  batches: AsyncIterable<RecordBatch>,
  columns: readonly CopyColumn[],
  options: BinaryOptions,
): AsyncGenerator<Buffer> {
  const out = new Chunk();
  out.bytes.set(SIGNATURE, 0);
  out.at = SIGNATURE.length;
  let rows = 0;
  for await (const batch of batches) {
    const writers = columns.map((column, index) =>
      cellWriter(batch, index, column, { nul: options.nul, before: rows }),
    );
    for (let row = 0; row < batch.numRows; row += 1) {
      writeRow(out, writers, row, options.order);
      if (out.at >= CHUNK) yield out.take();
    }
    rows += batch.numRows;
  }
  out.room(2);
  out.view.setInt16(out.at, -1);
  out.at += 2;
  yield out.take();
}

function writeRow(out: Chunk, writers: readonly CellWriter[], row: number, order?: { next: number }): void {
  out.room(16);
  out.view.setInt16(out.at, writers.length + (order ? 1 : 0));
  out.at += 2;
  for (const write of writers) write(out, row);
  if (!order) return;
  out.room(12);
  out.view.setInt32(out.at, 8);
  out.view.setInt32(out.at + 4, Math.floor(order.next / 2 ** 32));
  out.view.setInt32(out.at + 8, order.next >>> 0);
  out.at += 12;
  order.next += 1;
}

/** A growing buffer that is given away when it is full enough. */
export class Chunk {
  bytes = Buffer.allocUnsafeSlow(CHUNK + (16 << 10));
  view = viewOf(this.bytes);
  at = 0;

  /** Makes sure that `count` more bytes fit. */
  room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
    this.view = viewOf(larger);
  }

  /** What was written so far; the next bytes go into a new buffer, since the socket still holds this one. */
  take(): Buffer {
    const full = this.bytes.subarray(0, this.at);
    this.bytes = Buffer.allocUnsafeSlow(CHUNK + (16 << 10));
    this.view = viewOf(this.bytes);
    this.at = 0;
    return full;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
