/** A real Parquet file with our provenance in its footer. */
import { Table as ArrowTable, tableToIPC, vectorFromArray, Int32 } from 'apache-arrow';
import { Compression, Table, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm/node';
import type { Position } from '../../src/end-record.js';
import { type FileProvenance, PROVENANCE_KEY } from '../../src/provenance.js';

/** What a file says of itself that holds the rows after `from` up to `to`. */
export function provenanceOf(table: string, from: Position | null, to: Position, rows: number): FileProvenance {
  return {
    v: 1,
    table,
    read: 'incremental',
    primary_key: ['id'],
    cursor_columns: ['id'],
    from,
    to,
    rows,
    schema_id: 's1',
    columns: { id: 'int(11)' },
  };
}

/** `rows` integers, said to be the rows after `from` up to `to`. The JSON is padded, as our writer pads it. */
export function parquetFile(
  table: string,
  from: Position | null,
  to: Position,
  rows: number,
  more: Partial<FileProvenance> = {},
): Uint8Array {
  const provenance = { ...provenanceOf(table, from, to, rows), ...more };
  const arrow = new ArrowTable({
    id: vectorFromArray(
      Array.from({ length: rows }, (_, n) => n),
      new Int32(),
    ),
  });
  const properties = new WriterPropertiesBuilder()
    .setCompression(Compression.UNCOMPRESSED)
    .setKeyValueMetadata(new Map([[PROVENANCE_KEY, JSON.stringify(provenance).padEnd(600)]]))
    .build();
  return writeParquet(Table.fromIPCStream(tableToIPC(arrow, 'stream')), properties);
}
