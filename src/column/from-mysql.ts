/**
 * The edge from MySQL to Arrow: which Arrow type a column becomes, how its text is read, and how it is selected.
 * One exhaustive table; a type that is not in it is refused by name (78), nothing becomes a string by default.
 * Mapping: reference/redshift.md section 5; what the server sends: reference/mysql.md 1.3.
 */
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Schema,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow';
import { Failure } from '../errors.js';
import { MYSQL_CHARSET_KEY, MYSQL_TYPE_KEY } from '../provenance.js';
import { type MysqlColumn, type MysqlType, mysqlType } from './mysql-column.js';

/** What happens to a value Arrow cannot hold. `text` makes every column that could hold one a text column. */
export type Policy = 'fail' | 'null' | 'text';

export interface Policies {
  /** Dates whose year, month or day is zero. */
  zeroDates: Policy;
  /** Dates that are not in the calendar (2024-02-31), and text that is not valid UTF-8. */
  badValues: Policy;
}

/** How the bytes the server sends become the values of a column. */
export type Reading =
  | 'int16'
  | 'int32'
  | 'int64'
  | 'decimal'
  | 'float32'
  | 'float64'
  | 'bool'
  | 'bits'
  | 'bits-decimal'
  | 'date'
  | 'timestamp'
  | 'date-text'
  | 'timestamp-text'
  | 'text'
  | 'bytes';

export interface ColumnPlan extends Policies {
  /** `schema.table`, for messages. */
  table: string;
  name: string;
  /** Of the Arrow field: the column's own, or true where a policy can put a null. */
  nullable: boolean;
  /** As COLUMN_TYPE prints it. */
  mysqlType: string;
  charset: string | null;
  arrow: DataType;
  reading: Reading;
  /** The select item: the quoted column, or the expression that makes the server send all of it. */
  selectExpression: string;
}

interface Edge {
  arrow: DataType;
  reading: Reading;
  /** The text form of the bare column loses digits. */
  inexact?: boolean;
}

const text: Edge = { arrow: new Utf8(), reading: 'text' };
const bytes: Edge = { arrow: new Binary(), reading: 'bytes' };
const int16: Edge = { arrow: new Int16(), reading: 'int16' };
const int32: Edge = { arrow: new Int32(), reading: 'int32' };
const int64: Edge = { arrow: new Int64(), reading: 'int64' };
const wide = new Decimal(0, 20, 128);

/** Largest precision 128 bits hold; MySQL goes to 65. */
const DECIMAL128 = 38;

const EDGES: Readonly<Record<string, Edge | ((type: MysqlType) => Edge)>> = {
  tinyint: int16,
  smallint: (type) => (type.unsigned ? int32 : int16),
  mediumint: int32,
  int: (type) => (type.unsigned ? int64 : int32),
  bigint: (type) => (type.unsigned ? { arrow: wide, reading: 'decimal' } : int64),
  year: int16,
  decimal: ({ args: [precision = 10, scale = 0] }) =>
    precision > DECIMAL128 ? text : { arrow: new Decimal(scale, precision, 128), reading: 'decimal' },
  // FLOAT is sent with six digits, and (M,D) with D decimals, whatever is stored: mysql.md 1.3.
  float: { arrow: new Float32(), reading: 'float32', inexact: true },
  double: ({ args }) => ({ arrow: new Float64(), reading: 'float64', inexact: args.length > 0 }),
  bit: ({ args: [bits = 1] }) => {
    if (bits === 1) return { arrow: new Bool(), reading: 'bool' };
    return bits < 64 ? { arrow: new Int64(), reading: 'bits' } : { arrow: wide, reading: 'bits-decimal' };
  },
  date: { arrow: new DateDay(), reading: 'date' },
  datetime: { arrow: new TimestampMicrosecond(), reading: 'timestamp' },
  timestamp: { arrow: new TimestampMicrosecond('UTC'), reading: 'timestamp' },
  // -838:59:59 to 838:59:59: more than a time of day.
  time: text,
  char: text,
  varchar: text,
  tinytext: text,
  text,
  mediumtext: text,
  longtext: text,
  enum: text,
  set: text,
  json: text,
  uuid: text,
  inet4: text,
  inet6: text,
  binary: bytes,
  varbinary: bytes,
  tinyblob: bytes,
  blob: bytes,
  mediumblob: bytes,
  longblob: bytes,
  // As stored: four bytes of SRID, least significant first, then WKB. Dropping the SRID would lose it.
  geometry: bytes,
  point: bytes,
  linestring: bytes,
  polygon: bytes,
  multipoint: bytes,
  multilinestring: bytes,
  multipolygon: bytes,
  geometrycollection: bytes,
  geomcollection: bytes,
  // As stored: float32 values, least significant byte first.
  vector: bytes,
};

/** Every MySQL type there is a plan for, as information_schema names them. */
export const MYSQL_TYPES: readonly string[] = Object.keys(EDGES);

/** The plan of one column; 78 with table, column and type for a type nobody decided about. */
export function columnPlan(column: MysqlColumn, policies: Policies): ColumnPlan {
  const type = mysqlType(column.type);
  const found = Object.hasOwn(EDGES, type.base) ? EDGES[type.base] : undefined;
  if (!found) {
    throw new Failure(
      'config',
      `${column.table}: column \`${column.name}\` has type ${column.type}, which is not supported`,
      {
        hint: `Leave it out with --exclude ${column.name}, or cast it in a --query.`,
      },
    );
  }
  const edge = typeof found === 'function' ? found(type) : found;
  const quoted = `\`${column.name.replaceAll('`', '``')}\``;
  return {
    table: column.table,
    name: column.name,
    mysqlType: column.type,
    charset: column.charset,
    selectExpression: edge.inexact ? `${quoted}+0e0 AS ${quoted}` : quoted,
    ...policies,
    ...withPolicies(edge, column.nullable, policies),
  };
}

function withPolicies(
  edge: Edge,
  nullable: boolean,
  policies: Policies,
): Pick<ColumnPlan, 'arrow' | 'reading' | 'nullable'> {
  const { arrow, reading } = edge;
  if (reading !== 'date' && reading !== 'timestamp') {
    return { arrow, reading, nullable: nullable || (reading === 'text' && policies.badValues === 'null') };
  }
  const asText = policies.zeroDates === 'text' || policies.badValues === 'text';
  return {
    arrow: asText ? text.arrow : arrow,
    reading: asText ? `${reading}-text` : reading,
    nullable: nullable || policies.zeroDates === 'null' || policies.badValues === 'null',
  };
}

/** The Arrow field of a planned column, with its MySQL type. */
export function fieldOfPlan(plan: ColumnPlan): Field {
  const metadata = new Map([[MYSQL_TYPE_KEY, plan.mysqlType]]);
  if (plan.charset !== null) metadata.set(MYSQL_CHARSET_KEY, plan.charset);
  return new Field(plan.name, plan.arrow, plan.nullable, metadata);
}

/** The Arrow schema of planned columns, in their order. */
export function schemaOfPlans(plans: readonly ColumnPlan[], metadata?: Map<string, string>): Schema {
  return new Schema(plans.map(fieldOfPlan), metadata);
}
