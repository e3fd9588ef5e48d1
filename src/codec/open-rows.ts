/** Finds out what the rows on stdin are written in, and opens them. */
import { cutShort } from '../end-record.js';
import { Failure } from '../errors.js';
import { BufferPool } from './buffer-pool.js';
import { arrowFrames } from './arrow-frames.js';
import type { NdjsonOptions } from './ndjson-rows.js';
import { type RowStream, arrowRows } from './row-stream.js';

export interface OpenRowsOptions {
  /** Accepts rows without an end record. */
  allowUnterminated: boolean;
  /** For rows that do not name their run. */
  runId: string;
  /** What the columns of NDJSON are, or leave to guess them. */
  json?: Pick<NdjsonOptions, 'schema' | 'infer' | 'note'>;
}

/** Reads as far as the schema. Throws 82 for an empty stream, 65 for one that is neither Arrow nor NDJSON. */
export async function openRows(
  input: AsyncIterable<Uint8Array>,
  options: OpenRowsOptions,
  signal: AbortSignal,
): Promise<RowStream> {
  const chunks = input[Symbol.asyncIterator]();
  const first = await firstBytes(chunks);
  const bytes = continued(first, chunks);
  const magic = Buffer.from(first).toString('latin1', 0, 4);
  if (magic === '\xff\xff\xff\xff') {
    const pool = new BufferPool();
    const allocate = (size: number): Uint8Array => pool.take(size);
    const frames = arrowFrames({ allowUnterminated: options.allowUnterminated, allocate });
    return arrowRows(frames(bytes, signal), options.runId, pool);
  }
  if (magic === 'PAR1') throw new Failure('data', 'the rows are Parquet already');
  if (!/^(?:\xef\xbb\xbf)?\s*(?:\{|$)/.test(magic)) throw new Failure('data', 'stdin is neither Arrow nor NDJSON');
  const { ndjsonRows } = await import('./ndjson-rows.js');
  const { allowUnterminated, runId, json = { schema: undefined, infer: false, note: () => {} } } = options;
  return ndjsonRows(bytes, { allowUnterminated, runId, ...json });
}

/** The first four bytes or more; 82 when the stream has fewer. */
async function firstBytes(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let first: Uint8Array = new Uint8Array(0);
  while (first.length < 4) {
    const next = await chunks.next();
    if (next.done) throw cutShort('input', 0);
    first = first.length === 0 ? next.value : Buffer.concat([first, next.value]);
  }
  return first;
}

async function* continued(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
