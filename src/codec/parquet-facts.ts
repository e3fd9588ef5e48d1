/** What a Parquet file says about itself, as JSON: its schema, its metadata, and the statistics of its columns. */
import type { Field, Schema } from 'apache-arrow';
import { typeName } from '../column/type-name.js';
import { MYSQL_CHARSET_KEY, MYSQL_TYPE_KEY, PROVENANCE_KEY } from '../provenance.js';
import type { OpenedParquet } from './parquet-batches.js';
import type { ColumnPart } from './parquet-row-group.js';
import { statisticsOf } from './parquet-statistics.js';

/** Parquet's codecs by number (parquet.thrift, CompressionCodec). */
const CODECS = ['none', 'snappy', 'gzip', 'lzo', 'brotli', 'lz4', 'zstd', 'lz4_raw'];

/** Table, keys and columns: what `to-parquet --schema` reads. */
export function schemaFacts({ schema, provenance }: OpenedParquet): object {
  const { table = null, read = null, primary_key = [], cursor_columns = [] } = provenance ?? {};
  return { table, read, primary_key, cursor_columns, columns: schema.fields.map(columnFacts) };
}

function columnFacts({ name, type, nullable, metadata }: Field): object {
  const mysql_type = metadata.get(MYSQL_TYPE_KEY);
  const mysql_charset = metadata.get(MYSQL_CHARSET_KEY);
  return {
    name,
    type: typeName(type),
    nullable,
    ...(mysql_type === undefined ? {} : { mysql_type }),
    ...(mysql_charset === undefined ? {} : { mysql_charset }),
  };
}

/** The file as a whole. */
export function metadataFacts({ ranges, footer }: OpenedParquet): object {
  const { keyValues, rows, rowGroups, createdBy = null, version } = footer;
  const key_values = Object.fromEntries(
    [...keyValues].map(([key, value]) => [key, key === PROVENANCE_KEY ? (JSON.parse(value) as unknown) : value]),
  );
  return {
    url: ranges.url,
    bytes: ranges.byteLength,
    rows,
    row_groups: rowGroups.length,
    version,
    created_by: createdBy,
    key_values,
  };
}

/** One record a row group. */
export function* statsFacts({ footer, schema }: OpenedParquet): Generator<object> {
  for (const [row_group, { rows, columns, span }] of footer.rowGroups.entries()) {
    yield {
      row_group,
      rows,
      bytes: span.end - span.start,
      columns: columns.map((column) => partFacts(column, schema)),
    };
  }
}

function partFacts(part: ColumnPart, schema: Schema): object {
  const field = schema.fields.find(({ name }) => name === part.path);
  return {
    name: part.path,
    codec: CODECS[part.codec] ?? String(part.codec),
    dictionary: part.dictionary,
    bytes: part.compressedBytes,
    uncompressed_bytes: part.uncompressedBytes,
    ...statisticsOf(part, field?.type),
  };
}
