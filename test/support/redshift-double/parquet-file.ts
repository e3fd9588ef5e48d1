/**
 * One Parquet object: magic, footer, pages, rows. Read with hyparquet, a reader the product does not use, so a
 * file only this project's own writer understands cannot pass. Codecs, encodings and page versions: rule 16.
 */
import { gunzipSync } from 'node:zlib';
import { type ColumnChunk, type FileMetaData, parquetMetadata, parquetRead, type SchemaElement } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { parquetHeader } from 'hyparquet/src/column.js';
import { ScanError } from './error-envelope.js';
import { unverified } from './sql-error.js';

const CODECS = new Set(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'ZSTD']);
const ENCODINGS = new Set(['PLAIN', 'RLE', 'BIT_PACKED', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY']);

/** A top-level column of the file. */
export interface FileColumn {
  element: SchemaElement;
  /** A struct, list or map. */
  nested: boolean;
}

export interface ParquetFile {
  /** As error texts name it, percent-encoded. */
  url: string;
  /** `s3://bucket/key`. */
  path: string;
  bytes: Buffer;
  metadata: FileMetaData;
  columns: FileColumn[];
  rows: number;
}

/** Decompresses what its name says is compressed as a whole (rule 14). */
export function wholeFile(bytes: Buffer, key: string, url: string): Buffer {
  if (key.endsWith('.gz')) {
    try {
      return gunzipSync(bytes);
    } catch {
      throw new ScanError(15_001, `File '${url}' is not in gzip format although its name ends in .gz`, { file: url });
    }
  }
  if (!key.endsWith('.bz2') && !key.endsWith('.snappy')) return bytes;
  const suffix = key.endsWith('.bz2') ? '.bz2' : '.snappy';
  const looks =
    suffix === '.bz2' ? bytes.toString('latin1', 0, 3) === 'BZh' : bytes.toString('latin1', 4, 10) === 'sNaPpY';
  if (looks) throw unverified(`whole-file decompression of ${suffix} objects`);
  throw new ScanError(15_001, `File '${url}' cannot be decompressed although its name ends in ${suffix}`, {
    file: url,
  });
}

/** Parses the footer and walks every page header. Throws what a scan of a damaged file reports. */
export function openParquet(bytes: Buffer, url: string, path: string): ParquetFile {
  const metadata = footer(bytes, url);
  if (metadata.num_rows === 0n) throw unverified('a Parquet file without rows');
  for (const group of metadata.row_groups) for (const chunk of group.columns) checkChunk(chunk, bytes, url);
  const columns = topLevel(metadata);
  const names = columns.map(({ element }) => element.name);
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin !== undefined) throw unverified(`two columns named "${twin}" in File '${url}'`);
  return { url, path, bytes, metadata, columns, rows: Number(metadata.num_rows) };
}

function footer(bytes: Buffer, url: string): FileMetaData {
  const magic = bytes.subarray(-4);
  if (bytes.length < 12 || magic.toString('latin1') !== 'PAR1') {
    const shown = [...magic].map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '?')).join('');
    throw new ScanError(15_001, `File '${url}' has an invalid version number: ${shown}`, { file: url });
  }
  try {
    if (bytes.toString('latin1', 0, 4) !== 'PAR1') throw new Error('no magic at the start');
    return parquetMetadata(new Uint8Array(bytes), { geoparquet: false });
  } catch (error) {
    throw new ScanError(15_001, `File '${url}' has corrupt metadata: ${(error as Error).message}`, { file: url });
  }
}

function checkChunk(chunk: ColumnChunk, bytes: Buffer, url: string): void {
  const meta = chunk.meta_data;
  if (meta === undefined) throw corrupt(url, 'a column chunk has no metadata');
  const name = meta.path_in_schema.join('.');
  if (!CODECS.has(meta.codec))
    throw unverified(`File '${url}' uses an unsupported compression: ${meta.codec} for column '${name}'`);
  for (const encoding of meta.encodings) encodingOf(encoding, name, url);
  const first = Number(meta.dictionary_page_offset ?? meta.data_page_offset);
  const start = Math.min(first, Number(meta.data_page_offset));
  if (meta.dictionary_page_offset !== undefined && meta.dictionary_page_offset > meta.data_page_offset) {
    throw corrupt(url, `the dictionary page of column '${name}' comes after its data pages`);
  }
  const end = start + Number(meta.total_compressed_size);
  if (start < 4 || end > bytes.length - 8) throw corrupt(url, `column '${name}' lies outside the file`);
  pages(bytes, start, end, name, url);
}

function pages(bytes: Buffer, start: number, end: number, name: string, url: string): void {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset + start, end - start), offset: 0 };
  while (reader.offset < end - start) {
    let header: ReturnType<typeof parquetHeader>;
    try {
      header = parquetHeader(reader);
    } catch {
      throw corrupt(url, `a page header of column '${name}' cannot be read`);
    }
    if (header.type === 'DATA_PAGE_V2') throw unverified(`data page version 2 (File '${url}', column '${name}')`);
    const encoding = header.data_page_header?.encoding ?? header.dictionary_page_header?.encoding;
    if (encoding !== undefined) encodingOf(encoding, name, url);
    reader.offset += header.compressed_page_size;
  }
  if (reader.offset !== end - start) throw corrupt(url, `the pages of column '${name}' do not fill its chunk`);
}

function encodingOf(encoding: string, name: string, url: string): void {
  if (!ENCODINGS.has(encoding))
    throw unverified(`File '${url}' uses an unsupported encoding: ${encoding} for column '${name}'`);
}

function corrupt(url: string, why: string): ScanError {
  return new ScanError(15_001, `File '${url}' has corrupt metadata: ${why}`, { file: url });
}

function topLevel(metadata: FileMetaData): FileColumn[] {
  const columns: FileColumn[] = [];
  const { schema } = metadata;
  let at = 1;
  for (let left = schema[0]?.num_children ?? 0; left > 0; left--) {
    const element = schema[at] as SchemaElement;
    columns.push({ element, nested: element.num_children !== undefined || element.repetition_type === 'REPEATED' });
    at = after(schema, at);
  }
  return columns;
}

function after(schema: readonly SchemaElement[], at: number): number {
  let next = at + 1;
  for (let left = schema[at]?.num_children ?? 0; left > 0; left--) next = after(schema, next);
  return next;
}

/**
 * The rows of one row group after another, as physical values: number, bigint, boolean, bytes, null; INT96 as
 * nanoseconds since 1970. Holds one row group.
 */
export async function* rowGroups(file: ParquetFile): AsyncGenerator<unknown[][]> {
  const metadata = physical(file);
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    yield await readRows(file, metadata, start, end);
    start = end;
  }
}

async function readRows(
  file: ParquetFile,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<unknown[][]> {
  const { bytes } = file;
  const slice = (from: number, to?: number): ArrayBuffer => new Uint8Array(bytes.subarray(from, to)).buffer;
  let rows: unknown[][] = [];
  try {
    await parquetRead({
      file: { byteLength: bytes.length, slice },
      metadata,
      rowStart,
      rowEnd,
      compressors,
      utf8: false,
      geoparquet: false,
      parsers: { timestampFromNanoseconds: (nanos) => nanos },
      onComplete: (all) => (rows = all as unknown[][]),
    });
  } catch (error) {
    throw corrupt(file.url, (error as Error).message);
  }
  if (rows.length !== rowEnd - rowStart) throw corrupt(file.url, `${rows.length} rows instead of ${rowEnd - rowStart}`);
  return rows;
}

/** The same metadata without annotations on flat columns, so that no value is turned into a number or a Date. */
function physical(file: ParquetFile): FileMetaData {
  const flat = new Set(file.columns.filter((column) => !column.nested).map((column) => column.element));
  const schema = file.metadata.schema.map((element) => {
    if (!flat.has(element)) return element;
    const { converted_type: _converted, logical_type: _logical, ...rest } = element;
    return rest;
  });
  return { ...file.metadata, schema };
}
