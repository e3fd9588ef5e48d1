/** The columns of a Parquet file as its footer stores them: what a reader that knows no Arrow sees (parquet.thrift). */
import type { Note, Physical, StoredColumn } from '../column/redshift-parquet.js';
import type { Footer } from './parquet-footer.js';
import type { ColumnPart } from './parquet-row-group.js';
import { type Struct, TYPE } from './thrift-compact.js';

const ELEMENT = {
  type: 1,
  length: 2,
  repetition: 3,
  name: 4,
  children: 5,
  converted: 6,
  scale: 7,
  precision: 8,
  logical: 10,
} as const;
const REPEATED = 2;

const PHYSICAL: readonly Physical[] = [
  'BOOLEAN',
  'INT32',
  'INT64',
  'INT96',
  'FLOAT',
  'DOUBLE',
  'BYTE_ARRAY',
  'FIXED_LEN_BYTE_ARRAY',
];

/** The top-level columns, in order. */
export function storedColumns({ schema }: Footer): StoredColumn[] {
  const found: StoredColumn[] = [];
  for (let at = 1; at < schema.length; ) {
    const element = schema[at] as Struct;
    found.push(storedColumn(element));
    for (let open = 1; open > 0 && at < schema.length; at += 1) open += (number(schema[at], ELEMENT.children) ?? 0) - 1;
  }
  return found;
}

function storedColumn(element: Struct): StoredColumn {
  const name = element.get(ELEMENT.name);
  return {
    name: name?.type === TYPE.binary ? Buffer.from(name.value).toString('utf8') : '',
    physical: PHYSICAL[number(element, ELEMENT.type) ?? -1] ?? 'BYTE_ARRAY',
    fixedBytes: number(element, ELEMENT.length) ?? 0,
    note: noteOf(element),
    nested: (number(element, ELEMENT.children) ?? 0) > 0 || number(element, ELEMENT.repetition) === REPEATED,
  };
}

/** The logical type where there is one, else the older converted type. */
function noteOf(element: Struct): Note {
  const union = structAt(element, ELEMENT.logical);
  const [kind] = union?.keys() ?? [];
  const body = kind === undefined ? undefined : structAt(union, kind);
  switch (kind) {
    case undefined:
      return convertedNote(element);
    case 1:
      return { kind: 'string' };
    case 4:
      return { kind: 'enum' };
    case 5:
      return { kind: 'decimal', scale: number(body, 1) ?? 0, precision: number(body, 2) ?? 0 };
    case 6:
      return { kind: 'date' };
    case 7:
      return { kind: 'time' };
    case 8: {
      const unit = ([...(structAt(body, 2)?.keys() ?? [])][0] ?? 0) - 1;
      return {
        kind: 'timestamp',
        utc: isTrue(body, 1),
        unit: (['MILLIS', 'MICROS', 'NANOS'] as const)[unit] ?? 'NANOS',
      };
    }
    case 10:
      return { kind: 'integer', bits: number(body, 1) ?? 0, signed: isTrue(body, 2) };
    case 12:
      return { kind: 'json' };
    default:
      return { kind: 'other' };
  }
}

/** ConvertedType by number. */
function convertedNote(element: Struct): Note {
  const converted = number(element, ELEMENT.converted);
  if (converted === undefined) return { kind: 'none' };
  if (converted >= 11 && converted <= 18) {
    return { kind: 'integer', bits: 8 << ((converted - 11) % 4), signed: converted >= 15 };
  }
  switch (converted) {
    case 0:
      return { kind: 'string' };
    case 4:
      return { kind: 'enum' };
    case 5:
      return {
        kind: 'decimal',
        scale: number(element, ELEMENT.scale) ?? 0,
        precision: number(element, ELEMENT.precision) ?? 0,
      };
    case 6:
      return { kind: 'date' };
    case 7:
    case 8:
      return { kind: 'time' };
    case 9:
    case 10:
      return { kind: 'timestamp', unit: converted === 9 ? 'MILLIS' : 'MICROS', utc: true };
    case 19:
      return { kind: 'json' };
    default:
      return { kind: 'other' };
  }
}

const CODECS = ['none', 'snappy', 'gzip', 'lzo', 'brotli', 'lz4', 'zstd', 'lz4_raw'];
const ENCODINGS: Readonly<Record<number, string>> = {
  0: 'PLAIN',
  2: 'PLAIN_DICTIONARY',
  3: 'RLE',
  4: 'BIT_PACKED',
  5: 'DELTA_BINARY_PACKED',
  6: 'DELTA_LENGTH_BYTE_ARRAY',
  7: 'DELTA_BYTE_ARRAY',
  8: 'RLE_DICTIONARY',
  9: 'BYTE_STREAM_SPLIT',
};
const CHUNK = { encodings: 2, encodingStats: 13 } as const;
const DATA_PAGE_V2 = 3;

export interface ChunkForm {
  codec: string;
  encodings: readonly string[];
  /** Some of its pages are of version 2, as far as the footer tells. */
  pageV2: boolean;
}

/** How a column chunk is packed. */
export function chunkForm({ codec, meta }: ColumnPart): ChunkForm {
  const encodings = listAt(meta, CHUNK.encodings).map((value) => ('value' in value ? Number(value.value) : -1));
  const pages = listAt(meta, CHUNK.encodingStats).flatMap((value) => (value.type === TYPE.struct ? [value.value] : []));
  return {
    codec: CODECS[codec] ?? String(codec),
    encodings: encodings.map((one) => ENCODINGS[one] ?? String(one)),
    pageV2: pages.some((page) => number(page, 1) === DATA_PAGE_V2),
  };
}

function number(fields: Struct | undefined, id: number): number | undefined {
  const value = fields?.get(id);
  return value?.type === TYPE.i32 || value?.type === TYPE.byte || value?.type === TYPE.i16 ? value.value : undefined;
}

function isTrue(fields: Struct | undefined, id: number): boolean {
  return fields?.get(id)?.type === TYPE.true;
}

function structAt(fields: Struct | undefined, id: number): Struct | undefined {
  const value = fields?.get(id);
  return value?.type === TYPE.struct ? value.value : undefined;
}

function listAt(
  fields: Struct,
  id: number,
): Extract<NonNullable<ReturnType<Struct['get']>>, { type: 9 | 10 }>['value'] {
  const value = fields.get(id);
  return value?.type === TYPE.list ? value.value : [];
}
