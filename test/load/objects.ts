/** Parquet objects and their receipts, made by a writer that is not ours, as a load finds them. */
import { RecordBatch, Schema, Table, tableToIPC } from 'apache-arrow';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { Table as WasmTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm';
import type { Position } from '../../src/end-record.js';
import type { FileProvenance, ReadKind } from '../../src/provenance.js';
import { type Receipt, receiptLine } from '../../src/receipt.js';

export interface ObjectFacts {
  table?: string;
  read?: ReadKind;
  primaryKey?: readonly string[];
  cursorColumns?: readonly string[];
  columns?: Readonly<Record<string, string>>;
  from?: Position | null;
  to?: Position | null;
  rowGroup?: number;
}

/** Writes a table into `folder` and returns its receipt, numbered `seq`. */
export function storeObject(folder: string, table: Table, seq: number, facts: ObjectFacts = {}): Receipt {
  const columns = facts.columns ?? {};
  const provenance: FileProvenance = {
    v: 1,
    table: facts.table ?? 'shop.orders',
    read: facts.read ?? 'incremental',
    primary_key: facts.primaryKey ?? ['id'],
    cursor_columns: facts.cursorColumns ?? ['update_at', 'id'],
    from: facts.from ?? null,
    to: facts.to ?? null,
    columns,
    rows: table.numRows,
    schema_id: createHash('sha256').update(JSON.stringify(columns)).digest('hex').slice(0, 16),
  };
  const bytes = parquetBytes(table, provenance, facts.rowGroup ?? 10_000);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const url = `file://${folder}/${hash}.parquet`;
  writeFileSync(`${folder}/${hash}.parquet`, bytes);
  return {
    type: 'object',
    v: 1,
    run_id: 'test',
    seq,
    table: provenance.table,
    url,
    bytes: bytes.length,
    rows: table.numRows,
    etag: `"${hash}"`,
    crc32: crc32(bytes).toString(16).padStart(8, '0'),
    schema_id: provenance.schema_id,
    read: provenance.read,
    primary_key: provenance.primary_key,
    cursor_columns: provenance.cursor_columns,
    from: provenance.from,
    to: provenance.to,
    write_id: randomBytes(8).toString('hex'),
  };
}

function parquetBytes(table: Table, provenance: FileProvenance, rowGroup: number): Uint8Array {
  const metadata = new Map([['tablepipe', JSON.stringify(provenance)]]);
  const schema = new Schema(table.schema.fields, metadata);
  const whole = new Table(
    schema,
    table.batches.map((batch) => new RecordBatch(schema, batch.data)),
  );
  const properties = new WriterPropertiesBuilder().setMaxRowGroupSize(rowGroup).setKeyValueMetadata(metadata).build();
  return writeParquet(WasmTable.fromIPCStream(tableToIPC(whole, 'stream')), properties);
}

/** Receipts as s3-put would print them, with their end line. */
export function receiptStream(receipts: readonly Receipt[], read: ReadKind = 'incremental'): string {
  const total = (of: (receipt: Receipt) => number): number => receipts.reduce((sum, one) => sum + of(one), 0);
  return [
    ...receipts.map((receipt, seq) => receiptLine({ ...receipt, seq })),
    receiptLine({
      type: 'end',
      status: 'complete',
      run_id: 'test',
      table: receipts[0]?.table ?? 'shop.orders',
      objects: receipts.length,
      rows: total((receipt) => receipt.rows ?? 0),
      bytes: total((receipt) => receipt.bytes),
      code: 0,
      read,
    }),
  ].join('');
}
