/**
 * Rows of other programs in the types every reader of Parquet understands: widened, or unpacked from a dictionary,
 * where no value changes; a value that would change is refused with its row. Columns that are plain are not touched.
 */
import { Field, RecordBatch, Schema, Struct, makeData } from 'apache-arrow';
import type { ParquetTarget } from '../column/parquet-schema.js';
import { plainType } from '../column/plain-type.js';
import { Failure } from '../errors.js';
import { plainColumn } from './plain-column.js';
import { rowNames } from './row-name.js';
import type { RowStream } from './row-stream.js';

/** Throws 65, naming the column, for a type that has no plain one. Memory: one batch, unpacked. */
export function plainRows(stream: RowStream, target: ParquetTarget): RowStream {
  const { schema: given, batches, release } = stream;
  const fields = given.fields.map((field) => {
    const type = plainType(field.name, field.type, target);
    return type === field.type ? field : new Field(field.name, type, field.nullable, field.metadata);
  });
  if (fields.every((field, index) => field === given.fields[index])) return stream;
  const originals = new WeakMap<RecordBatch, RecordBatch>();
  stream.schema = new Schema(fields, given.metadata);
  stream.release = (batch) => release(originals.get(batch) ?? batch);
  const nameOf = rowNames(stream);
  stream.batches = (async function* plain(): AsyncGenerator<RecordBatch> {
    let before = 0;
    for await (const batch of batches) {
      const unpacked = plainBatch(batch, stream.schema, (made, { row, column, why }) => {
        throw new Failure('data', `${column} of the row ${nameOf(made, row, before)} ${why}`, {
          hint: 'Round it or give it another type where it is made.',
        });
      });
      originals.set(unpacked, batch);
      before += batch.numRows;
      yield unpacked;
    }
  })();
  return stream;
}

interface Refused {
  row: number;
  column: string;
  why: string;
}

function plainBatch(
  batch: RecordBatch,
  schema: Schema,
  refuse: (made: RecordBatch, first: Refused) => never,
): RecordBatch {
  const refused: Refused[] = [];
  const children = batch.data.children.map((data, index) => {
    const { name: column, type } = schema.fields[index] as Field;
    return plainColumn(data, batch.numRows, type, (row, why) => refused.push({ row, column, why }));
  });
  const data = makeData({ type: new Struct(schema.fields), length: batch.numRows, nullCount: 0, children });
  const made = new RecordBatch(schema, data);
  const [first] = refused.sort((a, b) => a.row - b.row);
  return first ? refuse(made, first) : made;
}
