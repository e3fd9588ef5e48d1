/**
 * A Parquet footer (FileMetaData of parquet-format) as a tree, with the few fields this project reads or changes
 * given names. Row groups are moved between files by shifting the offsets they hold; everything else stays as the
 * encoder wrote it.
 */
import { Failure } from '../errors.js';
import { type Struct, TYPE, type Value, i64, readStruct, structs, text, writeStruct } from './thrift-compact.js';

export const MAGIC = Buffer.from('PAR1', 'latin1');

/** Length word and magic that close a file. */
export const TAIL_BYTES = 8;

/** Field ids of parquet.thrift. */
const FILE = { version: 1, schema: 2, rows: 3, rowGroups: 4, keyValues: 5, createdBy: 6, columnOrders: 7 } as const;
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
const ELEMENT = { repetition: 3, children: 5 } as const;
const REPEATED = 2;

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

export interface TopColumn {
  /** SchemaElements, the column's own first. */
  elements: Struct[];
  /** Number of its first column chunk in every row group, and how many it has. */
  leaf: number;
  leaves: number;
  flat: boolean;
}

export class Footer {
  constructor(readonly fields: Struct) {}

  get rows(): number {
    return integer(this.fields, FILE.rows);
  }

  get rowGroups(): RowGroup[] {
    return list(this.fields, FILE.rowGroups).map((group) => new RowGroup(structOf(group)));
  }

  get createdBy(): string | undefined {
    const value = this.fields.get(FILE.createdBy);
    return value && textOf(value);
  }

  get version(): number {
    return integer(this.fields, FILE.version);
  }

  /** SchemaElements, the root first. */
  get schema(): Struct[] {
    return list(this.fields, FILE.schema).map(structOf);
  }

  get keyValues(): Map<string, string> {
    const pairs = this.fields.has(FILE.keyValues) ? list(this.fields, FILE.keyValues).map(structOf) : [];
    return new Map(pairs.map((pair) => [textAt(pair, 1), textAt(pair, 2)]));
  }

  /** The columns as a row has them, each with its leaves; a flat one has a single leaf and one value a row. */
  get columns(): TopColumn[] {
    const { schema } = this;
    const found: TopColumn[] = [];
    for (let at = 1, leaf = 0; at < schema.length; ) {
      const elements: Struct[] = [];
      let leaves = 0;
      for (let open = 1; open > 0; at += 1) {
        const element = schema[at];
        if (!element) throw new Failure('data', 'the schema in the Parquet footer is cut');
        const children = element.has(ELEMENT.children) ? integer(element, ELEMENT.children) : 0;
        open += children - 1;
        if (children === 0) leaves += 1;
        elements.push(element);
      }
      const [top] = elements as [Struct];
      const repeated = top.has(ELEMENT.repetition) && integer(top, ELEMENT.repetition) === REPEATED;
      found.push({ elements, leaf, leaves, flat: elements.length === 1 && !repeated });
      leaf += leaves;
    }
    return found;
  }

  /** A footer of one column and one row group of it. */
  only({ elements }: TopColumn, rowGroup: RowGroup, keyValues: ReadonlyMap<string, string>): Footer {
    const fields: Struct = new Map(this.fields);
    fields.delete(FILE.columnOrders);
    const root: Struct = new Map(this.schema[0]);
    root.set(ELEMENT.children, { type: TYPE.i32, value: 1 });
    return new Footer(fields.set(FILE.schema, structs([root, ...elements]))).with([rowGroup], keyValues);
  }

  /** The same schema with other row groups and key-value pairs; keys are written in the order of the map. */
  with(rowGroups: readonly RowGroup[], keyValues: ReadonlyMap<string, string>): Footer {
    const fields: Struct = new Map(this.fields);
    fields.set(FILE.rows, i64(rowGroups.reduce((sum, group) => sum + group.rows, 0)));
    fields.set(FILE.rowGroups, structs(rowGroups.map((group) => group.fields)));
    const pairs = [...keyValues].map(
      ([key, value]): Struct =>
        new Map([
          [1, text(key)],
          [2, text(value)],
        ]),
    );
    return new Footer(fields.set(FILE.keyValues, structs(pairs)));
  }

  /** The footer, its length and the magic: what closes a file. */
  bytes(): Uint8Array {
    const body = writeStruct(this.fields);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    return Buffer.concat([body, length, MAGIC]);
  }
}

/** Reads a footer from its own bytes, without the length and the magic; 65 when damaged. */
export function parseFooter(bytes: Uint8Array): Footer {
  const footer = new Footer(readStruct(bytes));
  const { rows, rowGroups } = footer;
  const counted = rowGroups.reduce((sum, group) => sum + group.rows, 0);
  if (counted !== rows) throw new Failure('data', `the Parquet footer counts ${rows} rows, its row groups ${counted}`);
  return footer;
}

/**
 * Length of the footer from the last eight bytes of a file of `fileBytes`. 82 when the file does not end like a
 * Parquet file, 65 when the length cannot be.
 */
export function footerBytes(tail: Uint8Array, fileBytes: number): number {
  const view = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength);
  const magic = view.toString('latin1', view.length - 4);
  if (magic === 'PARE') throw new Failure('data', 'the Parquet file has an encrypted footer, which is not supported');
  if (view.length < TAIL_BYTES || magic !== 'PAR1') {
    throw new Failure('truncated', 'the Parquet file ended before its footer', {
      hint: 'The program that wrote it was killed, or this is not Parquet.',
    });
  }
  const length = view.readUInt32LE(view.length - TAIL_BYTES);
  if (length + TAIL_BYTES + MAGIC.length > fileBytes) {
    throw new Failure('data', `the Parquet file of ${fileBytes} bytes claims a footer of ${length} bytes`);
  }
  return length;
}

function list(fields: Struct, field: number): Value[] {
  const value = fields.get(field);
  if (value?.type !== TYPE.list) throw missing(field);
  return value.value;
}

function structOf(value: Value): Struct {
  if (value.type !== TYPE.struct) throw missing(0);
  return value.value;
}

function integer(fields: Struct, field: number): number {
  const value = fields.get(field);
  if (value?.type !== TYPE.i64 && value?.type !== TYPE.i32) throw missing(field);
  const number = Number(value.value);
  if (!Number.isSafeInteger(number) || number < 0) throw missing(field);
  return number;
}

function textOf(value: Value): string {
  if (value.type !== TYPE.binary) throw missing(0);
  return Buffer.from(value.value).toString('utf8');
}

function textAt(fields: Struct, field: number): string {
  const value = fields.get(field);
  return value ? textOf(value) : '';
}

function missing(field: number): Failure {
  return new Failure('data', `the Parquet footer is damaged (field ${field})`);
}
