/** What a row is called when it is refused: by its key where the stream has one, else by its number. */
import type { RecordBatch } from 'apache-arrow';
import { type PositionReader, positionReader } from '../column/position-text.js';
import type { RowStream } from './row-stream.js';

/** @returns the name of row `row` of `batch`, which has `before` rows of the stream before it */
export function rowNames({
  schema,
  provenance,
}: RowStream): (batch: RecordBatch, row: number, before: number) => string {
  const { primary_key: columns } = provenance;
  const key = columns.length === 0 ? undefined : keyReader();
  return (batch, row, before) =>
    key ? `${columns.join(', ')} = ${key(batch, row).join(', ')}` : `number ${before + row + 1}`;

  function keyReader(): PositionReader | undefined {
    try {
      return positionReader(schema.fields, columns);
    } catch {
      // A key that has no text; the row's number has to do.
      return undefined;
    }
  }
}
