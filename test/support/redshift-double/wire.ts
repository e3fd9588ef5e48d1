/**
 * PostgreSQL protocol 3.0, the server's side: cutting the client's bytes into messages and writing answers.
 * Nothing here knows SQL. Results are always in text format, as Redshift's own drivers ask for.
 */
import type { SqlError } from './sql-error.js';

export const SSL_REQUEST = 80_877_103;
export const CANCEL_REQUEST = 80_877_102;
export const PROTOCOL_3 = 196_608;

export interface ClientMessage {
  /** One letter; empty for the startup packet, which has none. */
  type: string;
  body: Buffer;
}

/** Collects bytes and hands out whole messages; the largest accepted one is 64 MiB, above the SQL size limit. */
export class MessageReader {
  #held: Buffer = Buffer.alloc(0);
  #started = false;

  /** After this the packets carry a type letter. */
  started(): void {
    this.#started = true;
  }

  push(chunk: Buffer): void {
    this.#held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
  }

  next(): ClientMessage | undefined {
    const head = this.#started ? 1 : 0;
    if (this.#held.length < head + 4) return undefined;
    const length = this.#held.readInt32BE(head);
    if (length < 4 || length > 64 * 1024 * 1024) throw new Error(`message of ${length} bytes`);
    if (this.#held.length < head + length) return undefined;
    const type = this.#started ? String.fromCharCode(this.#held[0] ?? 0) : '';
    const body = this.#held.subarray(head + 4, head + length);
    this.#held = this.#held.subarray(head + length);
    return { type, body };
  }
}

/** Reads the fields of one message body in order. */
export class Fields {
  #at = 0;
  readonly #body: Buffer;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get left(): number {
    return this.#body.length - this.#at;
  }

  int16(): number {
    this.#at += 2;
    return this.#body.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#body.readInt32BE(this.#at - 4);
  }

  byte(): string {
    this.#at += 1;
    return String.fromCharCode(this.#body[this.#at - 1] ?? 0);
  }

  text(): string {
    const end = this.#body.indexOf(0, this.#at);
    const text = this.#body.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  bytes(length: number): Buffer {
    this.#at += length;
    return this.#body.subarray(this.#at - length, this.#at);
  }
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(
    parts.reduce((sum, part) => sum + part.length, 4),
    1,
  );
  return Buffer.concat([head, ...parts]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

const text = (value: string): Buffer => Buffer.from(`${value.replaceAll('\0', '')}\0`, 'utf8');

export interface WireField {
  name: string;
  oid: number;
  /** Bytes of the type, -1 for variable. */
  size: number;
  modifier: number;
}

export const answer = {
  authenticationOk: (): Buffer => message('R', int32(0)),
  cleartextPassword: (): Buffer => message('R', int32(3)),
  parameter: (name: string, value: string): Buffer => message('S', text(name), text(value)),
  keyData: (pid: number, secret: number): Buffer => message('K', int32(pid), int32(secret)),
  ready: (status: string): Buffer => message('Z', Buffer.from(status)),
  complete: (tag: string): Buffer => message('C', text(tag)),
  empty: (): Buffer => message('I'),
  parseComplete: (): Buffer => message('1'),
  bindComplete: (): Buffer => message('2'),
  closeComplete: (): Buffer => message('3'),
  noData: (): Buffer => message('n'),
  parameterTypes: (oids: readonly number[]): Buffer => message('t', int16(oids.length), ...oids.map(int32)),

  fields(fields: readonly WireField[]): Buffer {
    const parts = fields.flatMap((field) => [
      text(field.name),
      int32(0),
      int16(0),
      int32(field.oid),
      int16(field.size),
      int32(field.modifier),
      int16(0),
    ]);
    return message('T', int16(fields.length), ...parts);
  },

  row(values: readonly (string | null)[]): Buffer {
    const parts = values.flatMap((value) => {
      if (value === null) return [int32(-1)];
      const bytes = Buffer.from(value, 'utf8');
      return [int32(bytes.length), bytes];
    });
    return message('D', int16(values.length), ...parts);
  },

  error: (error: SqlError): Buffer => report('E', 'ERROR', error.code, error.message, error.detail, error.hint),
  fatal: (code: string, words: string): Buffer => report('E', 'FATAL', code, words),
  info: (words: string): Buffer => report('N', 'INFO', '00000', words),
};

function report(type: string, severity: string, code: string, words: string, detail?: string, hint?: string): Buffer {
  const field = (letter: string, value: string | undefined): Buffer[] =>
    value === undefined ? [] : [Buffer.from(letter), text(value)];
  return message(
    type,
    ...field('S', severity),
    ...field('C', code),
    ...field('M', words),
    ...field('D', detail),
    ...field('H', hint),
    Buffer.from([0]),
  );
}
