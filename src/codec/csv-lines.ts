/**
 * Arrow batches as CSV (RFC 4180, lines end in LF): values as in json-values.ts, without JSON's quotes. NULL is
 * nothing at all, an empty text is `""`, so that the two stay apart for every reader that looks.
 */
import type { RecordBatch, Schema } from 'apache-arrow';
import { jsonCells } from './json-values.js';

/** Characters of one chunk, about. */
const CHUNK = 65_536;

/** The line of column names. */
export function csvHeader(schema: Schema): string {
  return `${schema.fields.map(({ name }) => quoted(name)).join(',')}\n`;
}

/** The rows of a batch, in chunks of whole lines. */
export function* csvLines(batch: RecordBatch): Generator<string> {
  const cells = jsonCells(batch, 'bare');
  let chunk = '';
  for (let row = 0; row < batch.numRows; row += 1) {
    chunk += `${cells.map((cell) => csvValue(cell(row))).join(',')}\n`;
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

function csvValue(json: string): string {
  if (json === 'null') return '';
  return json.startsWith('"') ? quoted(JSON.parse(json) as string) : /^[[{]/.test(json) ? quoted(json) : json;
}

function quoted(text: string): string {
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
