/** Fields of a Parquet footer by their number in parquet.thrift; 65 where one is missing or of another type. */
import { Failure } from '../errors.js';
import { type Struct, TYPE, type Value } from './thrift-compact.js';

export function list(fields: Struct, field: number): Value[] {
  const value = fields.get(field);
  if (value?.type !== TYPE.list) throw missing(field);
  return value.value;
}

export function structOf(value: Value): Struct {
  if (value.type !== TYPE.struct) throw missing(0);
  return value.value;
}

export function integer(fields: Struct, field: number): number {
  const value = fields.get(field);
  if (value?.type !== TYPE.i64 && value?.type !== TYPE.i32) throw missing(field);
  const number = Number(value.value);
  if (!Number.isSafeInteger(number) || number < 0) throw missing(field);
  return number;
}

export function textOf(value: Value): string {
  if (value.type !== TYPE.binary) throw missing(0);
  return Buffer.from(value.value).toString('utf8');
}

export function textAt(fields: Struct, field: number): string {
  const value = fields.get(field);
  return value ? textOf(value) : '';
}

function missing(field: number): Failure {
  return new Failure('data', `the Parquet footer is damaged (field ${field})`);
}
