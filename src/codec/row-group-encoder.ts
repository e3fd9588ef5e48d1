/**
 * Arrow batches in, encoded row groups out, through parquet-wasm's streaming writer.
 *
 * That writer takes a source error for the end and closes the file over missing rows
 * (reference/arrow-parquet.md 2.2). So it never writes a whole file here: each call makes a small one, which is
 * accepted only when its own footer counts the rows that went in, and errors of the source are remembered.
 */
import { createRequire } from 'node:module';
import type { WriterProperties } from 'parquet-wasm/node';
import { Failure } from '../errors.js';
import { type Footer, TAIL_BYTES, footerBytes, parseFooter } from './parquet-footer.js';
import { MAGIC } from './parquet-row-group.js';

/** A complete Arrow stream of one batch: schema, batch, end-of-stream marker. */
export interface StreamedBatch {
  bytes: Uint8Array;
  rows: number;
}

export interface EncodedGroups {
  /** The bytes of the row groups, from the first page on. */
  chunks: Uint8Array[];
  bytes: number;
  rows: number;
  /** The footer they were written with; its offsets count from the start of a file whose first byte is the magic. */
  footer: Footer;
}

export type Wasm = typeof import('parquet-wasm/node');

let loaded: Wasm | undefined;

/** The library, compiled on first use: its 5 MB take 100 ms that `--help` does not have. */
export function parquetWasm(): Wasm {
  loaded ??= createRequire(import.meta.url)('parquet-wasm/node') as Wasm;
  return loaded;
}

/**
 * Encodes what `next` yields until it yields undefined; there must be at least one batch.
 * Memory: one batch and about four times the encoded row group.
 */
export async function encodeRowGroups(
  next: () => Promise<StreamedBatch | undefined>,
  properties: WriterProperties,
): Promise<EncodedGroups> {
  const wasm = parquetWasm();
  let rows = 0;
  let failure: unknown;
  // A high-water mark of 0: the next batch is asked for only when the one before it is encoded.
  const source = new ReadableStream(
    {
      async pull(controller) {
        try {
          const batch = await next();
          if (!batch) return controller.close();
          rows += batch.rows;
          controller.enqueue(wasmBatch(wasm, batch));
        } catch (error) {
          failure ??= error;
          controller.close();
        }
      },
    },
    { highWaterMark: 0 },
  );
  const chunks: Uint8Array[] = [];
  try {
    const encoded = await wasm.transformParquetStream(source, properties);
    for await (const chunk of encoded as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
  } catch (error) {
    throw failure ?? new Failure('internal', 'encoding Parquet failed', { cause: error });
  }
  if (failure !== undefined) throw failure;
  return earned(chunks, rows);
}

/** A row group of no rows, for a stream that had none: it gives a file its schema. */
export function encodeNoRows(schemaStream: Uint8Array, properties: WriterProperties): EncodedGroups {
  const wasm = parquetWasm();
  const file = wasm.writeParquet(wasm.Table.fromIPCStream(schemaStream), properties);
  return earned([file], 0);
}

function wasmBatch(wasm: Wasm, { bytes, rows }: StreamedBatch): unknown {
  let table;
  try {
    table = wasm.Table.fromIPCStream(bytes);
  } catch (error) {
    // The library validates what the producer did not: UTF-8, NULLs where none may be, offsets that run backwards.
    throw new Failure('data', `a batch of ${rows} rows is not valid Arrow`, { cause: asError(error) });
  }
  const batch = table.recordBatch(0);
  table.free();
  if (!batch) throw new Failure('internal', 'a batch was lost on its way to the encoder');
  return batch;
}

/** Takes the small file apart; refuses it unless its footer counts every row. */
function earned(chunks: Uint8Array[], rows: number): EncodedGroups {
  const whole = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const tail = lastBytes(chunks, TAIL_BYTES);
  const length = footerBytes(tail, whole);
  const footer = parseFooter(lastBytes(chunks, length + TAIL_BYTES).subarray(0, length));
  if (footer.rows !== rows) {
    throw new Failure('internal', `${rows} rows went into the encoder, ${footer.rows} came out`);
  }
  const end = footer.rowGroups.reduce((most, group) => Math.max(most, group.span.end), MAGIC.length);
  return { chunks: cut(chunks, MAGIC.length, end), bytes: end - MAGIC.length, rows, footer };
}

function lastBytes(chunks: readonly Uint8Array[], count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  let filled = count;
  for (let index = chunks.length - 1; index >= 0 && filled > 0; index -= 1) {
    const chunk = chunks[index] ?? bytes;
    const part = chunk.subarray(Math.max(0, chunk.length - filled));
    filled -= part.length;
    bytes.set(part, filled);
  }
  return filled === 0 ? bytes : bytes.subarray(filled);
}

/** Bytes `start` to `end` of the chunks put together, without copying them. */
function cut(chunks: readonly Uint8Array[], start: number, end: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const chunk of chunks) {
    const part = chunk.subarray(Math.max(0, start - at), Math.max(0, Math.min(chunk.length, end - at)));
    if (part.length > 0) parts.push(part);
    at += chunk.length;
  }
  return parts;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
