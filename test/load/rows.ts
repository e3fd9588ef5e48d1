/** Orders in objects, for tests of loading: an id, a text, and the time of the last change. */
import {
  Field,
  Int32,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  Utf8,
  makeData,
  vectorFromArray,
} from 'apache-arrow';
import type { Receipt } from '../../src/receipt.js';
import { type ObjectFacts, storeObject } from './objects.js';

/** `at` in microseconds. */
export type Row = readonly [id: number, name: string | null, at: number];

const COLUMNS = { id: 'int', name: 'varchar(20) character set utf8mb4', update_at: 'datetime(6)' };

/** Stores an object of orders. */
export function orders(folder: string, rows: readonly Row[], seq = 0, facts: ObjectFacts = {}): Receipt {
  const fields = [
    new Field('id', new Int32(), false),
    new Field('name', new Utf8(), true),
    new Field('update_at', new TimestampMicrosecond(), false),
  ];
  const at = BigInt64Array.from(rows, (row) => BigInt(row[2]));
  const children = [
    vectorFromArray(
      rows.map((row) => row[0]),
      new Int32(),
    ).data[0],
    vectorFromArray(
      rows.map((row) => row[1]),
      new Utf8(),
    ).data[0],
    makeData({ type: new TimestampMicrosecond(), length: rows.length, nullCount: 0, data: at }),
  ];
  const data = makeData({
    type: new Struct(fields),
    length: rows.length,
    nullCount: 0,
    children: children as never,
  });
  return storeObject(folder, new Table([new RecordBatch(new Schema(fields), data)]), seq, {
    columns: COLUMNS,
    ...facts,
  });
}
