/**
 * A Parquet footer (FileMetaData of parquet-format) as a tree, with the few fields this project reads or changes
 * given names. Everything else stays as the encoder wrote it.
 */
import { Failure } from '../errors.js';
import { integer, list, structOf, textAt, textOf } from './footer-fields.js';
import { MAGIC, RowGroup } from './parquet-row-group.js';
import { type Struct, TYPE, i64, readStruct, structs, text, writeStruct } from './thrift-compact.js';

/** Length word and magic that close a file. */
export const TAIL_BYTES = 8;

/** Field ids of parquet.thrift. */
const FILE = { version: 1, schema: 2, rows: 3, rowGroups: 4, keyValues: 5, createdBy: 6, columnOrders: 7 } as const;
const ELEMENT = { repetition: 3, children: 5 } as const;
const REPEATED = 2;

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
