/**
 * A row group in a Parquet footer. It is moved between files by shifting the offsets it holds; everything else stays as
 * the encoder wrote it.
 */
import { Failure } from '../errors.js';
import { integer, list, structOf, textOf } from './footer-fields.js';
import { type Struct, TYPE, type Value, i64, structs } from './thrift-compact.js';

/** Before the first row group and after the footer. */
export const MAGIC = Buffer.from('PAR1', 'latin1');

/** Field ids of parquet.thrift. */
const GROUP = {
  columns: 1,
  totalBytes: 2,
  rows: 3,
  sorting: 4,
  fileOffset: 5,
  compressedBytes: 6,
  ordinal: 7,
} as const;
const CHUNK = { fileOffset: 2, meta: 3, offsetIndex: 4, columnIndexLength: 7 } as const;
const COLUMN = {
  type: 1,
  path: 3,
  codec: 4,
  values: 5,
  uncompressed: 6,
  compressed: 7,
  dataPage: 9,
  indexPage: 10,
  dictionaryPage: 11,
  statistics: 12,
  bloomOffset: 14,
  bloomLength: 15,
} as const;

export interface ColumnPart {
  /** Column path, joined by dots. */
  path: string;
  codec: number;
  compressedBytes: number;
  uncompressedBytes: number;
  values: number;
  /** Has a dictionary page. */
  dictionary: boolean;
  /** ColumnMetaData as it stands in the footer. */
  meta: Struct;
}

export class RowGroup {
  constructor(readonly fields: Struct) {}

  get rows(): number {
    return integer(this.fields, GROUP.rows);
  }

  /** Bytes of the pages once decompressed. */
  get uncompressedBytes(): number {
    return integer(this.fields, GROUP.totalBytes);
  }

  get columns(): ColumnPart[] {
    return this.metas().map((meta) => ({
      path: list(meta, COLUMN.path).map(textOf).join('.'),
      codec: integer(meta, COLUMN.codec),
      compressedBytes: integer(meta, COLUMN.compressed),
      uncompressedBytes: integer(meta, COLUMN.uncompressed),
      values: integer(meta, COLUMN.values),
      dictionary: meta.has(COLUMN.dictionaryPage),
      meta,
    }));
  }

  /** Where the column chunks lie in the file: first byte, and the byte after the last. */
  get span(): { start: number; end: number } {
    let start = Number.POSITIVE_INFINITY;
    let end = 0;
    for (const meta of this.metas()) {
      const data = integer(meta, COLUMN.dataPage);
      const dictionary = meta.has(COLUMN.dictionaryPage) ? integer(meta, COLUMN.dictionaryPage) : data;
      // Some writers leave a dictionary offset of 0 where there is no dictionary.
      const first = dictionary > 0 ? Math.min(dictionary, data) : data;
      start = Math.min(start, first);
      end = Math.max(end, first + integer(meta, COLUMN.compressed));
    }
    return end === 0 ? { start: 0, end: 0 } : { start, end };
  }

  /** The same row group as the `ordinal`th of a file where its bytes begin `by` bytes later, without its indexes. */
  moved(by: number, ordinal: number): RowGroup {
    const fields: Struct = new Map(this.fields);
    shift(fields, GROUP.fileOffset, by);
    if (fields.has(GROUP.ordinal)) fields.set(GROUP.ordinal, { type: TYPE.i16, value: ordinal });
    const chunks = list(fields, GROUP.columns).map((chunk) => movedChunk(structOf(chunk), by));
    return new RowGroup(fields.set(GROUP.columns, structs(chunks)));
  }

  /** The row group with `count` of its column chunks from the `first` on. */
  only(first: number, count: number): RowGroup {
    const fields: Struct = new Map(this.fields);
    fields.delete(GROUP.sorting);
    const chunks = list(fields, GROUP.columns)
      .slice(first, first + count)
      .map(structOf);
    return new RowGroup(fields.set(GROUP.columns, structs(chunks)));
  }

  /** A row group of one column chunk as one of `rows` rows that is the first thing in a file: these pages of it. */
  repaged(dictionaryBytes: number, bytes: number, rows: number): RowGroup {
    const fields: Struct = new Map(this.fields);
    for (const field of [GROUP.fileOffset, GROUP.compressedBytes, GROUP.ordinal]) fields.delete(field);
    const chunk: Struct = movedChunk(structOf(list(fields, GROUP.columns)[0] as Value), 0);
    const meta: Struct = new Map(this.metas()[0]);
    for (const field of [COLUMN.indexPage, COLUMN.dictionaryPage, COLUMN.statistics]) meta.delete(field);
    for (const field of [COLUMN.bloomOffset, COLUMN.bloomLength]) meta.delete(field);
    if (dictionaryBytes > 0) meta.set(COLUMN.dictionaryPage, i64(MAGIC.length));
    meta.set(COLUMN.dataPage, i64(MAGIC.length + dictionaryBytes));
    meta.set(COLUMN.compressed, i64(bytes)).set(COLUMN.values, i64(rows));
    chunk.set(CHUNK.fileOffset, i64(MAGIC.length)).set(CHUNK.meta, { type: TYPE.struct, value: meta });
    return new RowGroup(fields.set(GROUP.columns, structs([chunk])).set(GROUP.rows, i64(rows)));
  }

  private metas(): Struct[] {
    return list(this.fields, GROUP.columns).map((chunk) => {
      const meta = structOf(chunk).get(CHUNK.meta);
      if (meta?.type !== TYPE.struct) throw new Failure('data', 'the Parquet footer names a column in another file');
      return meta.value;
    });
  }
}

/** Page indexes hold offsets of their own and bloom filters lie elsewhere: neither moves along. */
function movedChunk(chunk: Struct, by: number): Struct {
  const moved: Struct = new Map(chunk);
  for (let field: number = CHUNK.offsetIndex; field <= CHUNK.columnIndexLength; field += 1) moved.delete(field);
  shift(moved, CHUNK.fileOffset, by);
  const meta = moved.get(CHUNK.meta);
  if (meta?.type !== TYPE.struct) return moved;
  const column: Struct = new Map(meta.value);
  for (const field of [COLUMN.dataPage, COLUMN.indexPage, COLUMN.dictionaryPage]) shift(column, field, by);
  column.delete(COLUMN.bloomOffset);
  column.delete(COLUMN.bloomLength);
  return moved.set(CHUNK.meta, { type: TYPE.struct, value: column });
}

/** An offset of 0 stands for "none" and stays. */
function shift(fields: Struct, field: number, by: number): void {
  const value = fields.get(field);
  if (value?.type === TYPE.i64 && value.value !== 0n) fields.set(field, i64(value.value + BigInt(by)));
}
