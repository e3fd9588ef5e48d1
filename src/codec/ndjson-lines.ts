/** Arrow batches as NDJSON, for people and for jq: one object a row, keys in column order, values as in json-values.ts. */
import type { RecordBatch } from 'apache-arrow';
import { CONTROL_KEY } from '../end-record.js';
import { Failure } from '../errors.js';
import { jsonCells } from './json-values.js';

/** Characters of one chunk, about. */
const CHUNK = 65_536;

/**
 * The rows of a batch as lines, in chunks of whole lines. The end record is the caller's (`endLine`); without it
 * (`--bare`) a reader cannot tell a cut stream from a complete one.
 */
export function* ndjsonLines(batch: RecordBatch): Generator<string> {
  yield* objectLines(batch, jsonCells(batch), '', '');
}

/** One object a row between `before` and `after`. */
export function* objectLines(
  batch: RecordBatch,
  cells: readonly ((row: number) => string)[],
  before: string,
  after: string,
): Generator<string> {
  const keys = batch.schema.fields.map(({ name }, index) => `${index > 0 ? ',' : ''}${JSON.stringify(name)}:`);
  if (before === '' && batch.schema.fields[0]?.name === CONTROL_KEY) {
    throw new Failure('usage', `a first column named ${CONTROL_KEY} cannot be told from an end record in NDJSON`, {
      hint: 'Use the Arrow format, or put another column first.',
    });
  }
  let chunk = '';
  for (let row = 0; row < batch.numRows; row += 1) {
    chunk += `${before}{`;
    for (let column = 0; column < keys.length; column += 1) chunk += `${keys[column]}${cells[column]?.(row)}`;
    chunk += `}${after}\n`;
    if (chunk.length >= CHUNK) {
      yield chunk;
      chunk = '';
    }
  }
  if (chunk !== '') yield chunk;
}
