/** The columns of rows that come as JSON: from a schema file, from a Singer SCHEMA message, or guessed from rows. */
import { Decimal, type DataType, Field, Schema } from 'apache-arrow';
import { Failure } from '../errors.js';
import { MYSQL_CHARSET_KEY, MYSQL_TYPE_KEY } from '../provenance.js';
import { typeOfName } from './type-name.js';

export interface JsonSchema {
  schema: Schema;
  table: string;
  primaryKey: readonly string[];
}

interface SchemaFile {
  table?: string | null;
  primary_key?: string[];
  columns?: { name?: string; type?: string; nullable?: boolean; mysql_type?: string; mysql_charset?: string }[];
}

/** Reads what `from-parquet --schema` prints; 65 for anything else. */
export function schemaOfFile(text: string, path: string): JsonSchema {
  let file: SchemaFile;
  try {
    file = JSON.parse(text) as SchemaFile;
  } catch (cause) {
    throw new Failure('data', `${path} is not valid JSON`, { cause });
  }
  if (!Array.isArray(file?.columns) || file.columns.length === 0) throw new Failure('data', `${path} lists no columns`);
  const fields = file.columns.map(({ name, type = '', nullable = true, mysql_type, mysql_charset }) => {
    const found = typeOfName(type);
    if (!name || !found) throw new Failure('data', `${path}: ${name ?? 'a column'} has the unknown type ${type}`);
    const metadata = new Map<string, string>();
    if (mysql_type !== undefined) metadata.set(MYSQL_TYPE_KEY, mysql_type);
    if (mysql_charset !== undefined) metadata.set(MYSQL_CHARSET_KEY, mysql_charset);
    return new Field(name, found, nullable, metadata);
  });
  return { schema: new Schema(fields), table: file.table ?? '', primaryKey: file.primary_key ?? [] };
}

/** Reads a Singer SCHEMA message. */
export function schemaOfSinger(message: Record<string, unknown>): JsonSchema {
  const { properties } = (message.schema ?? {}) as { properties?: Record<string, Record<string, unknown>> };
  if (!properties) throw new Failure('data', 'a Singer SCHEMA message has no properties');
  const fields = Object.entries(properties).map(([name, property]) => {
    const kinds = [property.type ?? 'string'].flat();
    return new Field(
      name,
      singerType(
        kinds.find((kind) => kind !== 'null'),
        property,
      ),
      kinds.includes('null'),
    );
  });
  const key = Array.isArray(message.key_properties) ? (message.key_properties as string[]) : [];
  return {
    schema: new Schema(fields),
    table: typeof message.stream === 'string' ? message.stream : '',
    primaryKey: key,
  };
}

function singerType(kind: unknown, property: Record<string, unknown>): DataType {
  const { format, precision, scale, contentEncoding } = property;
  if (format === 'singer.decimal' && typeof precision === 'number' && precision >= 1 && precision <= 38)
    return new Decimal(Number(scale ?? 0), precision, 128);
  const name =
    kind === 'integer'
      ? 'int64'
      : kind === 'number'
        ? 'float64'
        : kind === 'boolean'
          ? 'bool'
          : format === 'date-time'
            ? 'timestamp'
            : format === 'date'
              ? 'date'
              : contentEncoding === 'base64'
                ? 'binary'
                : 'string';
  return typeOfName(name) as DataType;
}

/** Guesses from the first rows: the narrowest of bool, int64, decimal(38,0), float64 and string that holds them all. */
export function inferredSchema(rows: readonly Record<string, unknown>[]): Schema {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  return new Schema([...names].map((name) => new Field(name, inferred(rows.map((row) => row[name])), true)));
}

function inferred(values: readonly unknown[]): DataType {
  const present = values.filter((value) => value !== null && value !== undefined);
  const all = (test: (value: unknown) => boolean): boolean => present.length > 0 && present.every(test);
  if (all((value) => typeof value === 'boolean')) return typeOfName('bool') as DataType;
  if (all(Number.isSafeInteger)) return typeOfName('int64') as DataType;
  // Long numbers have become texts, so that they keep their digits.
  const integer = (value: unknown): boolean => Number.isSafeInteger(value) || /^-?\d{16,38}$/.test(String(value));
  if (all(integer) && present.some((value) => typeof value === 'number')) {
    const wide = present.some((value) => BigInt.asIntN(64, BigInt(value as string)) !== BigInt(value as string));
    return typeOfName(wide ? 'decimal(38,0)' : 'int64') as DataType;
  }
  return typeOfName(all((value) => typeof value === 'number') ? 'float64' : 'string') as DataType;
}
