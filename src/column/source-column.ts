/** A column of an Arrow or Parquet file, with what is known of the MySQL column it came from. */
import type { DataType, Field, Schema } from 'apache-arrow';
import { MYSQL_CHARSET_KEY, MYSQL_TYPE_KEY } from '../provenance.js';

export interface SourceColumn {
  name: string;
  nullable: boolean;
  arrow: DataType;
  /** As COLUMN_TYPE prints it; null when the column did not come from MySQL. */
  mysqlType: string | null;
  charset: string | null;
}

/** The columns of a schema. `known` is the provenance's map, for files whose fields lost their metadata. */
export function sourceColumns(schema: Schema, known: Readonly<Record<string, string>> = {}): SourceColumn[] {
  return schema.fields.map((field) => sourceColumn(field, known[field.name]));
}

function sourceColumn(field: Field, known = ''): SourceColumn {
  const [, type = '', charset] = /^(.*?)(?: character set ([a-z0-9_]+))?$/is.exec(known) ?? [];
  return {
    name: field.name,
    nullable: field.nullable,
    arrow: field.type as DataType,
    mysqlType: field.metadata.get(MYSQL_TYPE_KEY) ?? (type === '' ? null : type),
    charset: field.metadata.get(MYSQL_CHARSET_KEY) ?? charset ?? null,
  };
}
