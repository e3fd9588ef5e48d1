/**
 * The edge from Arrow (and what is known of MySQL) to Redshift. Lengths are bytes, types are exactly what COPY
 * accepts for the Parquet types to-parquet writes, and documents are staged as VARBYTE. One exhaustive table;
 * a type that is not in it is refused by name (78). Mapping: reference/redshift.md sections 1.3, 4.8 and 5.
 */
import { type DataType, type Decimal, type Timestamp, Type } from 'apache-arrow';
import { Failure } from '../errors.js';
import { type MysqlType, mysqlType } from './mysql-column.js';
import type { SourceColumn } from './source-column.js';
import { typeName } from './type-name.js';

export interface RedshiftType {
  /** As CREATE TABLE takes it. */
  type: string;
  /** What COPY loads the file's column into; `type` is made of it by {@link fromStaging}. */
  staging: string;
  /** True where the staged value goes through JSON_PARSE. */
  json: boolean;
  /** Compression that suits the values; COPY from columnar files does not choose one (section 1.1). */
  encode: string;
}

/** Largest VARCHAR, in bytes. */
export const VARCHAR_BYTES = 65_535;
/** Largest VARBYTE of current releases; the type page still says 1,024,000 (section 4.8). */
export const VARBYTE_BYTES = 16_777_216;

const plain = (type: string, encode = 'AZ64'): RedshiftType => ({ type, staging: type, json: false, encode });
const varchar = (bytes: number): RedshiftType => plain(`VARCHAR(${clamp(bytes, VARCHAR_BYTES)})`, 'ZSTD');
const varbyte = (bytes: number): RedshiftType => plain(`VARBYTE(${clamp(bytes, VARBYTE_BYTES)})`, 'ZSTD');
const VARBYTE = `VARBYTE(${VARBYTE_BYTES})`;
const VARCHAR = `VARCHAR(${VARCHAR_BYTES})`;
/** VARBYTE takes a file's column without annotation, VARCHAR one that is marked as text (section 1.3). */
const document = (staging: string): RedshiftType => ({ type: 'SUPER', staging, json: true, encode: 'ZSTD' });
const clamp = (bytes: number, most: number): number => Math.max(1, Math.min(most, bytes));

/** The type of a column; 78, naming it, for a type COPY cannot load. */
export function toRedshift(column: SourceColumn): RedshiftType {
  const { arrow } = column;
  const mysql = column.mysqlType === null ? undefined : mysqlType(column.mysqlType);
  switch (arrow.typeId) {
    case Type.Bool:
      return plain('BOOLEAN', 'ZSTD');
    case Type.Int:
      return integer(column, arrow as DataType & { bitWidth: number; isSigned: boolean });
    case Type.Float:
      return plain((arrow as DataType & { precision: number }).precision === 2 ? 'DOUBLE PRECISION' : 'REAL', 'RAW');
    case Type.Decimal:
      return decimal(arrow as Decimal);
    case Type.Date:
      return plain('DATE');
    case Type.Timestamp:
      return plain((arrow as Timestamp).timezone ? 'TIMESTAMPTZ' : 'TIMESTAMP');
    case Type.Utf8:
    case Type.LargeUtf8:
      return mysql ? text(mysql, column) : varchar(VARCHAR_BYTES);
    case Type.Binary:
    case Type.LargeBinary:
      return mysql?.base === 'json' ? document(VARBYTE) : varbyte(mysql ? blobBytes(mysql) : VARBYTE_BYTES);
    default:
      throw refused(column);
  }
}

/** The expression that turns the staged, quoted column into the target's. */
export function fromStaging({ json }: RedshiftType, quoted: string): string {
  return json ? `JSON_PARSE(${quoted})` : quoted;
}

function integer(column: SourceColumn, { bitWidth, isSigned }: { bitWidth: number; isSigned: boolean }): RedshiftType {
  // Unsigned annotations are unconfirmed on Redshift (section 1.3), and 8-bit ones too.
  if (!isSigned || bitWidth === 8) throw refused(column);
  return plain(bitWidth === 16 ? 'SMALLINT' : bitWidth === 32 ? 'INTEGER' : 'BIGINT');
}

/** The precision of the file: below 10 and at 19 to-parquet widens it, so the column is as wide. */
function decimal({ precision, scale }: Decimal): RedshiftType {
  return plain(`DECIMAL(${redshiftPrecision(precision)},${scale})`);
}

/** DECIMAL(19,x) ends at 2^63 and INT32 decimals are unconfirmed (sections 4.8 and 1.3): both are written wider. */
export function redshiftPrecision(precision: number): number {
  return precision < 10 ? 10 : precision === 19 ? 20 : precision;
}

function text(mysql: MysqlType, column: SourceColumn): RedshiftType {
  const [first = 0] = mysql.args;
  const widest = bytesPerCharacter(column.charset);
  switch (mysql.base) {
    case 'char':
    case 'varchar':
      return varchar(first * widest);
    case 'tinytext':
      return varchar(255 * growth(column.charset));
    case 'enum':
    case 'set': {
      const labels = labelBytes(column.mysqlType ?? '');
      const sum = labels.reduce((total, bytes) => total + bytes, 0);
      return varchar(mysql.base === 'enum' ? Math.max(0, ...labels) : sum + labels.length - 1);
    }
    case 'decimal':
      return varchar(first + 3);
    case 'time':
      return varchar(18);
    case 'json':
      return document(VARCHAR);
    case 'uuid':
      return varchar(36);
    case 'inet4':
      return varchar(15);
    case 'inet6':
      return varchar(45);
    default:
      return varchar(VARCHAR_BYTES);
  }
}

/** UTF-8 bytes one character of a MySQL character set can take; four when it is unknown. */
function bytesPerCharacter(charset: string | null): number {
  if (charset === 'ascii') return 1;
  return charset === null || /^(?:utf8mb4|utf16|utf16le|utf32|gb18030)$/.test(charset) ? 4 : 3;
}

/** How much a text can grow from its bytes in MySQL to UTF-8: MySQL counts TINYTEXT in bytes of its own charset. */
function growth(charset: string | null): number {
  return charset === null || /^(?:utf8|utf8mb3|utf8mb4|ascii|binary)$/.test(charset) ? 1 : 3;
}

/** The UTF-8 lengths of the labels in `enum('a','b')`. */
function labelBytes(columnType: string): number[] {
  return [...columnType.matchAll(/'((?:[^'\\]|''|\\.)*)'/gs)].map(([, label = '']) =>
    Buffer.byteLength(label.replaceAll("''", "'").replaceAll(/\\(.)/gs, '$1')),
  );
}

const BLOBS: Readonly<Record<string, number>> = { tinyblob: 255, blob: 65_535 };

function blobBytes({ base, args: [first] }: MysqlType): number {
  if (base === 'binary' || base === 'varbinary') return first ?? 1;
  // An SRID of four bytes stands before the WKB of a point; other shapes have no bound.
  if (base === 'vector') return 4 * (first ?? 2048);
  return BLOBS[base] ?? VARBYTE_BYTES;
}

function refused(column: SourceColumn): Failure {
  return new Failure('config', `column ${column.name} has the type ${typeName(column.arrow)}, which COPY cannot load`, {
    hint: 'Write the file with to-parquet --target redshift, or leave the column out.',
  });
}
