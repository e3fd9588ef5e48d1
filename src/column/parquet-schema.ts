/**
 * What a column is called in Parquet: the Arrow schema the encoder is given, and the id that tells one schema from
 * another. Widening happens in the schema alone: the bytes of a Decimal128 do not depend on its precision.
 */
import { createHash } from 'node:crypto';
import { Binary, DataType, Decimal, Field, Schema } from 'apache-arrow';
import { MYSQL_TYPE_KEY, PROVENANCE_KEY } from '../provenance.js';

export type ParquetTarget = 'redshift' | 'any';

const NONE: ReadonlySet<string> = new Set();

/**
 * The schema as written. For Redshift, a decimal of up to 9 digits is declared with 10, so that it is stored as
 * INT64 and not as INT32, which nobody has seen COPY load (reference/redshift.md 1.3), and one of 19 with 20, so
 * that its nine bytes are those of BIGINT UNSIGNED. The stream's own metadata stays out: it names the run.
 *
 * `documents` are text without the note that they are: VARBYTE, the one column type that holds more than 65,535
 * bytes of them, takes no other (section 1.3). Their MySQL type stays, and by it rs-copy knows what they are.
 */
export function parquetSchema(schema: Schema, target: ParquetTarget, documents = NONE): Schema {
  const metadata = new Map([...schema.metadata].filter(([key]) => key !== PROVENANCE_KEY));
  return new Schema(
    schema.fields.map(
      ({ name, type, nullable, metadata: about }) =>
        new Field(name, documents.has(name) ? new Binary() : writtenType(type, target), nullable, about),
    ),
    metadata,
  );
}

function writtenType(type: DataType, target: ParquetTarget): DataType {
  if (target === 'any' || !DataType.isDecimal(type) || type.bitWidth !== 128) return type;
  if (type.precision < 10) return new Decimal(type.scale, 10, 128);
  return type.precision === 19 ? new Decimal(type.scale, 20, 128) : type;
}

/** Sixteen hex digits that are equal for equal column names, types, nullability and MySQL types, in order. */
export function schemaId(schema: Schema): string {
  const columns = schema.fields.map(({ name, type, nullable, metadata }) => [
    name,
    String(type),
    nullable,
    metadata.get(MYSQL_TYPE_KEY) ?? null,
  ]);
  return createHash('sha256').update(JSON.stringify(columns)).digest('hex').slice(0, 16);
}
