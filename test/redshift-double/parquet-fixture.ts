/**
 * Parquet files of any shape, right or wrong: one row group, one PLAIN data page a column, every annotation as
 * told. The project's own writer makes only files that load; these are for the ones that must not.
 */
import { gzipSync } from 'node:zlib';
import type { CompressionCodec, Encoding, LogicalType, ParquetType, SchemaElement } from 'hyparquet';
import { CompressionCodecs, Encodings } from 'hyparquet/src/constants.js';
import { ByteWriter } from 'hyparquet-writer';
import { writeRleBitPackedHybrid } from 'hyparquet-writer/src/encoding.js';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';
import { writePlain } from 'hyparquet-writer/src/plain.js';
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js';

export interface FixtureColumn {
  name: string;
  type: ParquetType;
  /** Physical values: number, bigint, boolean, bytes; strings are written as UTF-8; null where `required` is not set. */
  values: readonly unknown[];
  logical?: LogicalType;
  converted?: SchemaElement['converted_type'];
  /** Bytes of FIXED_LEN_BYTE_ARRAY. */
  length?: number;
  precision?: number;
  scale?: number;
  required?: boolean;
  /** What the file claims; the bytes are PLAIN whatever it is. */
  encoding?: Encoding;
}

export interface FixtureOptions {
  /** What the file claims; only UNCOMPRESSED and GZIP pages are truly so. */
  codec?: CompressionCodec;
  /** Claims a data page of version 2. */
  pageV2?: boolean;
  /** Claims the dictionary page comes after the data. */
  dictionaryLast?: boolean;
}

export function parquetFixture(columns: readonly FixtureColumn[], options: FixtureOptions = {}): Buffer {
  const rows = columns[0]?.values.length ?? 0;
  const out = new ByteWriter();
  out.appendBytes(Buffer.from('PAR1'));
  const chunks = columns.map((column) => {
    const start = out.offset;
    const uncompressed = writePage(out, column, options);
    const size = BigInt(out.offset - start);
    return {
      file_offset: BigInt(start),
      meta_data: {
        type: column.type,
        encodings: ['RLE', column.encoding ?? 'PLAIN'] as Encoding[],
        path_in_schema: [column.name],
        codec: options.codec ?? 'UNCOMPRESSED',
        num_values: BigInt(rows),
        total_uncompressed_size: BigInt(uncompressed),
        total_compressed_size: size,
        data_page_offset: BigInt(start),
        ...(options.dictionaryLast === true ? { dictionary_page_offset: BigInt(start) + 1n } : {}),
      },
    };
  });
  const schema: SchemaElement[] = [{ name: 'schema', num_children: columns.length }, ...columns.map(element)];
  writeMetadata(out, {
    version: 1,
    schema,
    num_rows: BigInt(rows),
    row_groups: [{ columns: chunks, total_byte_size: BigInt(out.offset), num_rows: BigInt(rows) }],
    metadata_length: 0,
  });
  out.appendBytes(Buffer.from('PAR1'));
  return Buffer.from(out.getBytes());
}

function element(column: FixtureColumn): SchemaElement {
  return {
    name: column.name,
    type: column.type,
    repetition_type: column.required === true ? 'REQUIRED' : 'OPTIONAL',
    ...(column.length === undefined ? {} : { type_length: column.length }),
    ...(column.converted === undefined ? {} : { converted_type: column.converted }),
    ...(column.logical === undefined ? {} : { logical_type: column.logical }),
    ...(column.precision === undefined ? {} : { precision: column.precision, scale: column.scale ?? 0 }),
  };
}

/** Writes one page with its header; the size before compression, header included. */
function writePage(out: ByteWriter, column: FixtureColumn, options: FixtureOptions): number {
  const page = new ByteWriter();
  if (column.required !== true) {
    const levels = new ByteWriter();
    writeRleBitPackedHybrid(
      levels,
      column.values.map((value) => (value === null ? 0 : 1)),
      1,
    );
    page.appendUint32(levels.offset);
    page.appendBytes(levels.getBytes());
  }
  const values = column.values.filter((value) => value !== null).map((value) => bytesOf(value));
  if (column.type === 'INT96') writePlain(page, values, 'FIXED_LEN_BYTE_ARRAY', 12);
  else writePlain(page, values, column.type, column.length);
  const plain = page.getBytes();
  const bytes = options.codec === 'GZIP' ? gzipSync(plain) : plain;
  const encoding = Encodings.indexOf(column.encoding ?? 'PLAIN');
  const rle = Encodings.indexOf('RLE');
  const start = out.offset;
  const count = column.values.length;
  serializeTCompactProtocol(out, {
    field_1: options.pageV2 === true ? 3 : 0,
    field_2: plain.length,
    field_3: bytes.length,
    ...(options.pageV2 === true
      ? { field_8: { field_1: count, field_2: 0, field_3: count, field_4: encoding, field_5: 0, field_6: 0 } }
      : { field_5: { field_1: count, field_2: encoding, field_3: rle, field_4: rle } }),
  });
  const header = out.offset - start;
  out.appendBytes(bytes);
  return header + plain.length;
}

function bytesOf(value: unknown): unknown {
  return typeof value === 'string' ? new Uint8Array(Buffer.from(value)) : value;
}

/** `CompressionCodecs` in the order of the format, for tests that walk all of them. */
export const CODECS = CompressionCodecs;

type Shape = Omit<FixtureColumn, 'name' | 'values'>;

/** The shapes the product writes, and the ones it must never write. */
export const SHAPE = {
  bool: { type: 'BOOLEAN' },
  int16: { type: 'INT32', logical: { type: 'INTEGER', bitWidth: 16, isSigned: true }, converted: 'INT_16' },
  int32: { type: 'INT32' },
  int64: { type: 'INT64' },
  float: { type: 'FLOAT' },
  double: { type: 'DOUBLE' },
  text: { type: 'BYTE_ARRAY', logical: { type: 'STRING' }, converted: 'UTF8' },
  bytes: { type: 'BYTE_ARRAY' },
  date: { type: 'INT32', logical: { type: 'DATE' }, converted: 'DATE' },
  timestamp: { type: 'INT64', logical: { type: 'TIMESTAMP', isAdjustedToUTC: false, unit: 'MICROS' } },
  timestamptz: { type: 'INT64', logical: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } },
} as const satisfies Record<string, Shape>;

export function int(bitWidth: number, isSigned: boolean, type: ParquetType = 'INT32'): Shape {
  return { type, logical: { type: 'INTEGER', bitWidth, isSigned } };
}

/** DECIMAL in a fixed number of bytes, or in an integer when `length` is a physical type. */
export function decimal(precision: number, scale: number, length: number | ParquetType): Shape {
  const note = { logical: { type: 'DECIMAL', precision, scale }, converted: 'DECIMAL', precision, scale } as const;
  if (typeof length !== 'number') return { type: length, ...note };
  return { type: 'FIXED_LEN_BYTE_ARRAY', length, ...note };
}

/** The big-endian two's complement of a decimal's digits. */
export function unscaled(digits: bigint, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  let rest = BigInt.asUintN(bytes * 8, digits);
  for (let at = bytes - 1; at >= 0; at -= 1) {
    out[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}
