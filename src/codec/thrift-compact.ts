/**
 * Thrift's compact protocol as a tree that keeps every field, also those nobody here knows, so that a Parquet
 * footer can be read, changed in a few places and written back (Apache Thrift, "Thrift Compact Protocol").
 */
import { Failure } from '../errors.js';

/** Wire types of the compact protocol. */
export const TYPE = {
  true: 1,
  false: 2,
  byte: 3,
  i16: 4,
  i32: 5,
  i64: 6,
  double: 7,
  binary: 8,
  list: 9,
  set: 10,
  map: 11,
  struct: 12,
} as const;

export type Struct = Map<number, Value>;

export type Value =
  | { type: 1 | 2 }
  | { type: 3 | 4 | 5; value: number }
  | { type: 6; value: bigint }
  | { type: 7 | 8; value: Uint8Array }
  | { type: 9 | 10; of: number; value: Value[] }
  | { type: 11; value: [Value, Value][] }
  | { type: 12; value: Struct };

export const i64 = (value: bigint | number): Value => ({ type: TYPE.i64, value: BigInt(value) });
export const text = (value: string): Value => ({ type: TYPE.binary, value: Buffer.from(value, 'utf8') });
export const structs = (value: Struct[]): Value => ({
  type: TYPE.list,
  of: TYPE.struct,
  value: value.map((one) => ({ type: TYPE.struct, value: one })),
});

/** Nesting deeper than any Parquet footer has; a damaged one must not exhaust the stack. */
const MOST_DEPTH = 64;

/** Reads one struct from the start of `bytes`; 65 when they are not one. */
export function readStruct(bytes: Uint8Array): Struct {
  return new Reader(bytes).struct(0);
}

/** The same, and how many bytes it took. */
export function readStructAndLength(bytes: Uint8Array): { fields: Struct; length: number } {
  const reader = new Reader(bytes);
  const fields = reader.struct(0);
  return { fields, length: reader.position };
}

class Reader {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get position(): number {
    return this.at;
  }

  struct(depth: number): Struct {
    if (depth > MOST_DEPTH) throw damaged();
    const fields: Struct = new Map();
    let id = 0;
    for (;;) {
      const head = this.byte();
      const type = head & 15;
      if (type === 0) return fields;
      id = head >> 4 === 0 ? Number(this.zigzag()) : id + (head >> 4);
      fields.set(id, this.value(type, depth));
    }
  }

  private value(type: number, depth: number): Value {
    switch (type) {
      case TYPE.true:
      case TYPE.false:
        return { type };
      case TYPE.byte:
        return { type, value: this.byte() };
      case TYPE.i16:
      case TYPE.i32:
        return { type, value: Number(this.zigzag()) };
      case TYPE.i64:
        return { type, value: this.zigzag() };
      case TYPE.double:
        return { type, value: this.take(8) };
      case TYPE.binary:
        return { type, value: this.take(this.count()) };
      case TYPE.list:
      case TYPE.set:
        return this.list(type, depth);
      case TYPE.map:
        return this.map(depth);
      case TYPE.struct:
        return { type, value: this.struct(depth + 1) };
      default:
        throw damaged();
    }
  }

  private list(type: 9 | 10, depth: number): Value {
    const head = this.byte();
    const of = head & 15;
    const length = head >> 4 === 15 ? this.count() : head >> 4;
    return { type, of, value: Array.from({ length }, () => this.element(of, depth)) };
  }

  private map(depth: number): Value {
    const length = this.count();
    const types = length === 0 ? 0 : this.byte();
    const pair = (): [Value, Value] => [this.element(types >> 4, depth), this.element(types & 15, depth)];
    return { type: TYPE.map, value: Array.from({ length }, pair) };
  }

  /** Outside a struct a boolean is a byte of its own. */
  private element(type: number, depth: number): Value {
    if (type !== TYPE.true && type !== TYPE.false) return this.value(type, depth + 1);
    return { type: this.byte() === TYPE.true ? TYPE.true : TYPE.false };
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw damaged();
    this.at += 1;
    return byte;
  }

  private take(length: number): Uint8Array {
    const part = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return part;
  }

  /** A length; every element takes at least a byte, so it cannot exceed what is left. */
  private count(): number {
    const count = Number(this.varint());
    if (count > this.bytes.length - this.at) throw damaged();
    return count;
  }

  private zigzag(): bigint {
    const value = this.varint();
    return (value >> 1n) ^ -(value & 1n);
  }

  private varint(): bigint {
    let small = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      small |= (byte & 127) << shift;
      if (byte < 128) return BigInt(small);
    }
    let value = BigInt(small);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw damaged();
  }
}

function damaged(): Failure {
  return new Failure('data', 'the Parquet footer is damaged');
}

/** A struct as bytes; the same tree gives the same bytes. */
export function writeStruct(fields: Struct): Uint8Array {
  const writer = new Writer();
  writer.struct(fields);
  return writer.bytes();
}

class Writer {
  private buffer = Buffer.allocUnsafe(4096);
  private at = 0;

  bytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.buffer, 0, this.at);
  }

  struct(fields: Struct): void {
    let last = 0;
    for (const [id, field] of [...fields].sort(([a], [b]) => a - b)) {
      const delta = id - last;
      if (delta >= 1 && delta <= 15) this.byte((delta << 4) | field.type);
      else {
        this.byte(field.type);
        this.zigzag(BigInt(id));
      }
      last = id;
      this.value(field);
    }
    this.byte(0);
  }

  private value(field: Value): void {
    switch (field.type) {
      case TYPE.true:
      case TYPE.false:
        return;
      case TYPE.byte:
        return this.byte(field.value);
      case TYPE.i16:
      case TYPE.i32:
        return this.zigzag(BigInt(field.value));
      case TYPE.i64:
        return this.zigzag(field.value);
      case TYPE.double:
        return this.raw(field.value);
      case TYPE.binary:
        this.varint(BigInt(field.value.length));
        return this.raw(field.value);
      case TYPE.list:
      case TYPE.set:
        return this.list(field.of, field.value);
      case TYPE.map:
        return this.map(field.value);
      case TYPE.struct:
        return this.struct(field.value);
    }
  }

  private list(of: number, values: readonly Value[]): void {
    if (values.length < 15) this.byte((values.length << 4) | of);
    else {
      this.byte(0xf0 | of);
      this.varint(BigInt(values.length));
    }
    for (const value of values) this.element(value);
  }

  private map(pairs: readonly [Value, Value][]): void {
    this.varint(BigInt(pairs.length));
    const [first] = pairs;
    if (first) this.byte((first[0].type << 4) | first[1].type);
    for (const pair of pairs) for (const value of pair) this.element(value);
  }

  private element(value: Value): void {
    if (value.type === TYPE.true || value.type === TYPE.false) this.byte(value.type);
    else this.value(value);
  }

  private zigzag(value: bigint): void {
    this.varint(BigInt.asUintN(64, (value << 1n) ^ (value >> 63n)));
  }

  private varint(value: bigint): void {
    let rest = value;
    for (; rest > 127n; rest >>= 7n) this.byte(Number(rest & 127n) | 128);
    this.byte(Number(rest));
  }

  private byte(value: number): void {
    this.reserve(1);
    this.buffer[this.at] = value;
    this.at += 1;
  }

  private raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  private reserve(more: number): void {
    if (this.at + more <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + more));
    larger.set(this.buffer.subarray(0, this.at));
    this.buffer = larger;
  }
}
