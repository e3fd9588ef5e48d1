/** What the catalogue says about one table, in Redshift's terms. Read by COPY, LIKE, ALTER TABLE and APPEND. */
import { backing, literal } from './identifier.js';
import type { Executor } from './plan.js';
import { SqlError } from './sql-error.js';
import type { TableName } from './tape.js';
import type { RedshiftType, TypeName } from './type-name.js';

export interface Column {
  name: string;
  attnum: number;
  type: RedshiftType;
  notNull: boolean;
  /** The default's expression in the server behind. */
  defaultSql: string | undefined;
  /** `a` always, `d` by default. */
  identity: 'a' | 'd' | undefined;
  encode: string;
  distkey: boolean;
  sortkey: number;
}

export interface Table {
  relid: string;
  name: TableName;
  kind: string;
  columns: Column[];
}

const BY_TYPNAME: Readonly<Record<string, TypeName>> = {
  bool: 'boolean',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  numeric: 'numeric',
  float4: 'real',
  float8: 'double precision',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
  time: 'time',
  timetz: 'timetz',
  bpchar: 'char',
  varchar: 'varchar',
  bytea: 'varbyte',
  jsonb: 'super',
  geometry: 'geometry',
  geography: 'geography',
  hllsketch: 'hllsketch',
};

export function missingRelation(name: TableName): SqlError {
  const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
  return new SqlError('42P01', `relation "${shown}" does not exist`);
}

/** Undefined when there is no such relation. */
export async function lookUp(executor: Executor, name: TableName): Promise<Table | undefined> {
  const result = await executor.query(
    `SELECT c.oid, c.relkind, l.attnum, l.column_name, l.typname, l.length, l.numeric_precision, l.numeric_scale,
            l.attnotnull, l.default_sql, l.attidentity, l.encode, l.distkey, l.sortkey
       FROM pg_catalog.pg_class c LEFT JOIN redshift_double.column_list l ON l.relid = c.oid
      WHERE c.oid = to_regclass(${literal(name.sql)}) ORDER BY l.attnum`,
  );
  const first = result.rows[0];
  if (first === undefined) return undefined;
  const columns = result.rows.filter((row) => row[2] !== null).map(column);
  return { relid: String(first[0]), name, kind: String(first[1]), columns };
}

export async function demandTable(executor: Executor, name: TableName): Promise<Table> {
  const table = await lookUp(executor, name);
  if (table === undefined) throw missingRelation(name);
  return table;
}

function column(row: (string | null)[]): Column {
  const typname = String(row[4]);
  const name = BY_TYPNAME[typname];
  if (name === undefined)
    throw new SqlError('XX000', `UNVERIFIED: column ${row[3]} has a type the double did not create`);
  const type: RedshiftType = { name };
  if (row[5] !== null && row[5] !== undefined && ['char', 'varchar', 'varbyte'].includes(name))
    type.length = Number(row[5]);
  if (name === 'numeric') {
    type.precision = Number(row[6]);
    type.scale = Number(row[7]);
  }
  return {
    name: String(row[3]),
    attnum: Number(row[2]),
    type,
    notNull: row[8] === 't',
    defaultSql: row[9] ?? undefined,
    identity: row[10] === 'a' || row[10] === 'd' ? row[10] : undefined,
    encode: row[11] ?? 'none',
    distkey: row[12] === 't',
    sortkey: Number(row[13] ?? 0),
  };
}

/** `"a", "b"` for the server behind. */
export function columnSql(names: readonly string[]): string {
  return names.map(backing).join(', ');
}
