/**
 * The edge from Arrow (and what is known of MySQL) to PostgreSQL: the column's type, and the form its values
 * have in a binary COPY. One exhaustive table; a type that is not in it is refused by name (78).
 * Mapping: reference/redshift.md section 5.
 */
import { type DataType, type Decimal, type Time, type Timestamp, Type } from 'apache-arrow';
import { Failure } from '../errors.js';
import { type MysqlType, mysqlType } from './mysql-column.js';
import type { SourceColumn } from './source-column.js';
import { typeName } from './type-name.js';

/** How values are written in a binary COPY (PostgreSQL source, *_recv functions). */
export type BinaryForm =
  | 'bool'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'float4'
  | 'float8'
  | 'numeric'
  | 'date'
  | 'timestamp'
  | 'time'
  | 'text'
  | 'jsonb'
  | 'bytea'
  | 'uuid';

export interface PostgresType {
  /** As CREATE TABLE takes it. */
  type: string;
  /** The type of the staging column; differs where the file's text cannot be copied as the type itself. */
  staging: string;
}

const plain = (type: string): PostgresType => ({ type, staging: type });

const TEXT = plain('text');
const BYTES = plain('bytea');

const FORMS: Readonly<Record<string, BinaryForm>> = {
  boolean: 'bool',
  smallint: 'int2',
  integer: 'int4',
  bigint: 'int8',
  real: 'float4',
  'double precision': 'float8',
  numeric: 'numeric',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp',
  time: 'time',
  text: 'text',
  varchar: 'text',
  jsonb: 'jsonb',
  bytea: 'bytea',
  uuid: 'uuid',
};

/** The form of the values of a staging column. */
export function binaryForm(staging: string): BinaryForm {
  const form = FORMS[staging.replace(/\(.*$/, '')];
  if (!form) throw new Error(`no binary form for ${staging}`);
  return form;
}

/** Longest varchar PostgreSQL declares, in characters. */
const VARCHAR_CHARACTERS = 10_485_760;

/** The type of a column; 78, naming it, for a type PostgreSQL has no column for here. */
export function toPostgres(column: SourceColumn): PostgresType {
  const { arrow } = column;
  const mysql = column.mysqlType === null ? undefined : mysqlType(column.mysqlType);
  switch (arrow.typeId) {
    case Type.Null:
      return TEXT;
    case Type.Bool:
      return plain('boolean');
    case Type.Int:
      return integer(arrow as DataType & { bitWidth: number; isSigned: boolean });
    case Type.Float:
      return (arrow as DataType & { precision: number }).precision === 2 ? plain('double precision') : plain('real');
    case Type.Decimal:
      return decimal(arrow as Decimal, mysql);
    case Type.Date:
      return plain('date');
    case Type.Timestamp:
      return plain((arrow as Timestamp).timezone ? 'timestamptz' : 'timestamp');
    case Type.Time:
      return plain(`time(${(arrow as Time).unit === 0 ? 0 : 6})`);
    case Type.Utf8:
    case Type.LargeUtf8:
      return mysql ? text(mysql) : TEXT;
    case Type.Binary:
    case Type.LargeBinary:
      // A document for SUPER is written without the note that it is text.
      return mysql?.base === 'json' ? plain('jsonb') : BYTES;
    case Type.FixedSizeBinary:
      return BYTES;
    default:
      throw new Failure(
        'config',
        `column ${column.name} has the type ${typeName(arrow)}, which has no place in a table`,
        {
          hint: 'Leave the column out, or turn it into text before writing the file.',
        },
      );
  }
}

function integer({ bitWidth, isSigned }: { bitWidth: number; isSigned: boolean }): PostgresType {
  const bits = isSigned ? bitWidth : bitWidth * 2;
  if (bits <= 16) return plain('smallint');
  if (bits === 32) return plain('integer');
  return isSigned || bits === 64 ? plain('bigint') : plain('numeric(20,0)');
}

/** MySQL's own precision where it is known: files for Redshift carry a wider one. */
function decimal(arrow: Decimal, mysql: MysqlType | undefined): PostgresType {
  const [precision = 10, scale = 0] = mysql?.base === 'decimal' ? mysql.args : [arrow.precision, arrow.scale];
  return plain(`numeric(${precision},${scale})`);
}

/** Text columns by their MySQL type; bases that are not named here (TEXT, ENUM, SET) become text. */
function text({ base, args: [first = 0, scale = 0] }: MysqlType): PostgresType {
  switch (base) {
    case 'char':
    case 'varchar':
      return first >= 1 && first <= VARCHAR_CHARACTERS ? plain(`varchar(${first})`) : TEXT;
    case 'decimal':
      // More digits than 128 bits hold: the text is turned into a number by the server.
      return { type: `numeric(${first},${scale})`, staging: 'text' };
    case 'time':
      return plain('varchar(18)');
    case 'json':
      return plain('jsonb');
    case 'uuid':
      return plain('uuid');
    case 'inet4':
    case 'inet6':
      return { type: 'inet', staging: 'text' };
    default:
      return TEXT;
  }
}
