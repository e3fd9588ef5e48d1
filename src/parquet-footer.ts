/**
 * The three facts programs need of a Parquet footer without a Parquet library: that it is whole, how many rows it
 * counts, and its key-value pairs. The footer is one struct of Thrift's compact protocol (parquet-format, `FileMetaData`);
 * everything else in it is walked over, so a footer that was cut or damaged in its structure is refused.
 */
import { isPosition } from './end-record.js';
import { Failure } from './errors.js';
import { type FileProvenance, PROVENANCE_KEY } from './provenance.js';

/** The first and the last four bytes of every Parquet file. */
export const PARQUET_MAGIC = Buffer.from('PAR1');

/** What follows the footer: its length, and the magic. */
export const TRAILER_BYTES = 8;

/** Longest footer accepted; a damaged length must not allocate the machine. */
export const FOOTER_BYTES = 64 << 20;

export interface ParquetFooter {
  rows: number;
  keys: ReadonlyMap<string, string>;
}

/**
 * The length of the footer, from the last bytes of a file of `size` bytes; undefined when they are not the end of a
 * Parquet file.
 */
export function footerLength(end: Uint8Array, size: number): number | undefined {
  const tail = Buffer.from(end.buffer, end.byteOffset, end.byteLength);
  if (tail.length < TRAILER_BYTES || !tail.subarray(-4).equals(PARQUET_MAGIC)) return undefined;
  const length = tail.readUInt32LE(tail.length - TRAILER_BYTES);
  return length > 0 && length <= FOOTER_BYTES && length + TRAILER_BYTES + 4 <= size ? length : undefined;
}

/** Reads a footer, without its trailer; 65 when it is not exactly one. */
export function parseFooter(bytes: Uint8Array): ParquetFooter {
  const thrift = new Thrift(bytes);
  try {
    const footer = thrift.fileMetaData();
    if (thrift.at !== bytes.length) throw new RangeError(`${bytes.length - thrift.at} bytes too many`);
    return footer;
  } catch (cause) {
    throw new Failure('data', 'the footer of the Parquet file is damaged', { cause });
  }
}

/** What one of our own files says about itself; undefined for a file of another program. */
export function provenanceOf(footer: ParquetFooter): FileProvenance | undefined {
  const text = footer.keys.get(PROVENANCE_KEY);
  return text === undefined ? undefined : parseFileProvenance(text);
}

/** The provenance of a file in its JSON form; undefined when it is not ours. */
export function parseFileProvenance(text: string): FileProvenance | undefined {
  try {
    const value = JSON.parse(text) as Partial<FileProvenance> | null;
    const ours =
      value?.v === 1 &&
      typeof value.table === 'string' &&
      Number.isSafeInteger(value.rows) &&
      Array.isArray(value.cursor_columns) &&
      isPosition(value.from) &&
      isPosition(value.to);
    return ours ? (value as FileProvenance) : undefined;
  } catch {
    return undefined;
  }
}

/** Types of the compact protocol. */
const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const SET = 10;
const MAP = 11;
const STRUCT = 12;

/** Deeper than any footer nests; a damaged one must not exhaust the stack. */
const DEPTH = 32;

class Thrift {
  at = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Fields 3 (num_rows, i64) and 5 (key_value_metadata, a list of structs); the rest is walked over. */
  fileMetaData(): ParquetFooter {
    let rows: number | undefined;
    let keys = new Map<string, string>();
    this.fields(0, (id, type) => {
      if (id === 3 && type === I64) rows = this.zigzag();
      else if (id === 5 && type === LIST) keys = this.keyValues();
      else return false;
      return true;
    });
    if (rows === undefined || rows < 0) throw new RangeError('it does not count its rows');
    return { rows, keys };
  }

  private keyValues(): Map<string, string> {
    const found = new Map<string, string>();
    const { type, count } = this.listHeader();
    for (let index = 0; index < count; index += 1) {
      if (type !== STRUCT) throw new RangeError('a key-value pair is not a struct');
      const pair = ['', ''];
      this.fields(1, (id, of) => {
        if (of !== BINARY || (id !== 1 && id !== 2)) return false;
        pair[id - 1] = this.binary().toString('utf8');
        return true;
      });
      found.set(pair[0] ?? '', pair[1] ?? '');
    }
    return found;
  }

  /** The fields of one struct; `take` reads a value and says so, or leaves it to be walked over. */
  private fields(depth: number, take: (id: number, type: number) => boolean): void {
    if (depth > DEPTH) throw new RangeError('it nests too deeply');
    for (let id = 0; ; ) {
      const header = this.byte();
      const type = header & 0x0f;
      if (type === STOP) return;
      const delta = header >> 4;
      id = delta === 0 ? this.zigzag() : id + delta;
      if (type !== TRUE && type !== FALSE && !take(id, type)) this.walk(type, depth + 1);
    }
  }

  private walk(type: number, depth: number): void {
    if (type === BYTE || type === TRUE || type === FALSE) this.byte();
    else if (type > BYTE && type <= I64) this.varint();
    else if (type === DOUBLE) this.skip(8);
    else if (type === BINARY) this.binary();
    else if (type === STRUCT) this.fields(depth, () => false);
    else if (type === LIST || type === SET) this.walkList(depth);
    else if (type === MAP) throw new RangeError('Parquet has no maps');
    else throw new RangeError(`type ${type}`);
  }

  private walkList(depth: number): void {
    const { type, count } = this.listHeader();
    if (depth > DEPTH) throw new RangeError('it nests too deeply');
    for (let index = 0; index < count; index += 1) this.walk(type, depth + 1);
  }

  private listHeader(): { type: number; count: number } {
    const header = this.byte();
    const short = header >> 4;
    const count = short === 15 ? this.varint() : short;
    // Every element takes a byte at least.
    if (count > this.bytes.length - this.at) throw new RangeError(`a list of ${count}`);
    return { type: header & 0x0f, count };
  }

  private binary(): Buffer {
    const length = this.varint();
    const start = this.at;
    this.skip(length);
    return this.bytes.subarray(start, this.at);
  }

  private byte(): number {
    const byte = this.bytes[this.at];
    if (byte === undefined) throw new RangeError('it ends early');
    this.at += 1;
    return byte;
  }

  private skip(count: number): void {
    if (count > this.bytes.length - this.at) throw new RangeError('it ends early');
    this.at += count;
  }

  private zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Exact up to 2^53, which row counts and offsets stay below. */
  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number without an end');
  }
}
