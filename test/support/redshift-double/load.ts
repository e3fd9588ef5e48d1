/** The rows of the files into the server behind, inside the client's own transaction. Holds one row group as text. */
import { ScanError } from './error-envelope.js';
import { openParquet, type ParquetFile, rowGroups, wholeFile } from './parquet-file.js';
import type { ObjectStore } from './object-store.js';
import type { Source } from './manifest.js';
import { checkColumn } from './parquet-check.js';
import type { Executor } from './plan.js';
import { type Column, columnSql } from './table-columns.js';
import { valueBytes, valueWriter, type Writer } from './value.js';

/** 4 MB per input row from any source (reference/redshift.md 1.6, rule 32). */
const MOST_ROW_BYTES = 4 * 1024 * 1024;

export interface LoadOptions {
  fillRecord: boolean;
  serializeToJson: boolean;
  acceptInvChars: string | undefined;
}

/** Reads an object and checks it against the size in the manifest and against Parquet (rules 9, 14 to 16). */
export async function openSource(store: ObjectStore, source: Source, url: string): Promise<ParquetFile> {
  const path = `s3://${source.bucket}/${source.key}`;
  let bytes = await store.read(source.bucket, source.key);
  if (bytes === undefined)
    throw new ScanError(15_007, `File not found: ${path}`, { title: 'Spectrum Scan Error: File not found', file: url });
  if (source.contentLength !== undefined && source.contentLength > bytes.length) {
    throw new ScanError(
      15_001,
      `HTTP response error code: 416 Message: InvalidRange The requested range is not satisfiable, File name: ${url}`,
      { file: url },
    );
  }
  // A footer is looked for at the end the manifest names.
  if (source.contentLength !== undefined) bytes = bytes.subarray(0, source.contentLength);
  return openParquet(wholeFile(bytes, source.key, url), url, path);
}

/** Every column of a file against the columns it goes to, before any row is read (rules 17 to 19, 22). */
export function checkFile(file: ParquetFile, targets: readonly Column[], options: LoadOptions): void {
  const [table, data] = [targets.length, file.columns.length];
  if (data > table || (data < table && !options.fillRecord)) {
    const counts = `Table columns: ${table}, Data columns: ${data}`;
    throw new ScanError(
      15_007,
      `Unmatched number of columns between table and file. ${counts}, File name: ${file.url}`,
      { file: file.url },
    );
  }
  for (const index of file.columns.keys()) checkColumn(file, index, targets[index] as Column, options.serializeToJson);
}

/** Loads one checked file; the number of its rows. */
export async function loadFile(
  executor: Executor,
  table: string,
  file: ParquetFile,
  targets: readonly Column[],
  options: LoadOptions,
): Promise<number> {
  const writers = targets.map((target, i) => {
    const source = file.columns[i];
    return source === undefined
      ? valueWriter(
          { element: { name: target.name }, nested: false },
          { ...target, type: { name: 'boolean' } },
          undefined,
        )
      : valueWriter(source, target, options.acceptInvChars);
  });
  const sql = `COPY ${table} (${columnSql(targets.map((target) => target.name))}) FROM STDIN`;
  await executor.copyIn(sql, copyText(file, writers, targets));
  return file.rows;
}

async function* copyText(
  file: ParquetFile,
  writers: readonly Writer[],
  targets: readonly Column[],
): AsyncGenerator<Buffer> {
  let line = 0;
  for await (const rows of rowGroups(file)) {
    let text = '';
    for (const row of rows) {
      line += 1;
      text += `${rowText(row, writers, targets, file.url, line)}\n`;
      if (text.length < 256 * 1024) continue;
      yield Buffer.from(text);
      text = '';
    }
    if (text !== '') yield Buffer.from(text);
  }
}

function rowText(
  row: unknown[],
  writers: readonly Writer[],
  targets: readonly Column[],
  url: string,
  line: number,
): string {
  let bytes = 0;
  for (const [i, target] of targets.entries()) bytes += valueBytes(row[i], target.type);
  if (bytes > MOST_ROW_BYTES) {
    throw new ScanError(15_007, `The row is larger than the 4 MB limit of COPY: ${bytes} bytes`, { file: url, line });
  }
  const fields = writers.map((write, i) => {
    try {
      const text = write(row[i]);
      return text === null ? '\\N' : escaped(text);
    } catch (error) {
      throw error instanceof ScanError ? located(error, url, line) : error;
    }
  });
  return fields.join('\t');
}

function located(error: ScanError, file: string, line: number): ScanError {
  const { title, column, columnType } = error;
  return new ScanError(error.code, error.message, {
    title,
    file,
    line,
    ...(column === undefined ? {} : { column }),
    ...(columnType === undefined ? {} : { columnType }),
  });
}

const ESCAPED: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(text: string): string {
  return text.replace(/[\\\n\r\t]/g, (letter) => ESCAPED[letter] as string);
}
