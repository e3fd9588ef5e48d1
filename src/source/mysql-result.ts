/**
 * One result set of mysql2 as row packets. mysql2 has no public way to them, so a command of ours takes its Query's
 * place: the class is reached through `createQuery`, and a connection runs any command given to `addCommand`
 * (reference/mysql.md 4.3). While it runs, the connection's packet parser is ours too, so that rows are taken by the
 * chunk; where there is none that looks as expected, each row comes from mysql2 alone. test/source/mysql2-contract.test.ts
 * pins what is relied on; when the class is not found, the documented row API does the same work more slowly.
 */
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { Connection } from 'mysql2';
import type { ResultField } from '../column/mysql-column.js';
import { type PacketRows, ResultPackets } from './mysql-packets.js';

/** What reading a result calls; `rows` and `fields` may throw, which ends the reading with that error. */
export interface ResultReader {
  fields(fields: readonly ResultField[]): void;
  /** One row or more, in order. The bytes are only lent: they are overwritten when the call returns. */
  rows(rows: PacketRows): void;
  /** Exactly once: without an error only when the server said that the result is complete. */
  end(error?: Error): void;
}

/** A packet as mysql2 hands it to a command; one object is reused for all rows. */
interface Packet {
  buffer: Uint8Array;
  offset: number;
  end: number;
  isEOF(): boolean;
}

/** The parts of mysql2's Query that are relied on. */
interface Query {
  row(packet: Packet, connection: unknown): unknown;
  on(event: 'fields', listener: (fields: ResultField[] | undefined) => void): this;
}

type QueryClass = new (options: object, callback: (error: Error | null) => void) => Query;

/** What cuts the bytes of the socket into packets; the connection looks it up for each chunk. */
interface PacketParser {
  execute(chunk: Buffer): void;
  packetHeaderLength?: number;
}

/** The Connection of mysql2 with what its type declarations leave out. */
export interface RawConnection {
  /** `lends`: see src/connect/lending-socket.ts. */
  stream: Duplex & { lends?: boolean };
  packetParser?: PacketParser;
  addCommand(command: unknown): unknown;
}

/** The undeclared side of a connection. */
export function rawConnection(connection: Connection): RawConnection {
  return connection as unknown as RawConnection;
}

/** mysql2's Query class, or undefined when this version does not look as expected. */
export function queryClass(connection: Connection): QueryClass | undefined {
  const { createQuery } = createRequire(import.meta.url)('mysql2') as { createQuery?: (...args: unknown[]) => object };
  if (typeof createQuery !== 'function' || typeof rawConnection(connection).addCommand !== 'function') return undefined;
  const found = createQuery({ sql: '' }, undefined, undefined, {}).constructor as QueryClass;
  const steps = found.prototype as unknown as Record<string, unknown>;
  const complete = ['start', 'resultsetHeader', 'readField', 'fieldsEOF', 'row', 'done'].every(
    (step) => typeof steps[step] === 'function',
  );
  // The step after the fields has to be looked up on the object, or an override of it is never called.
  return complete && /this\.row\b/.test(String(steps.fieldsEOF)) ? found : undefined;
}

/** Stops and restarts the flow of rows; what has already left the socket still arrives. */
export interface Flow {
  pause(): void;
  resume(): void;
}

/** Runs the statement, its rows given to the reader as they arrive, at most one socket chunk after a pause. */
export function readPackets(connection: Connection, Query: QueryClass, sql: string, reader: ResultReader): Flow {
  const raw = rawConnection(connection);
  let described = false;
  let ended = false;
  let giveBack = (): void => {};
  const end = (error?: Error): void => {
    if (ended) return;
    ended = true;
    giveBack();
    reader.end(error);
  };
  class PacketQuery extends Query {
    override row(packet: Packet, from: unknown): unknown {
      if (packet.isEOF()) return super.row(packet, from);
      reader.rows(oneRow(packet.buffer, packet.offset, packet.end));
      return this.row;
    }
  }
  // disableEval: the row parser mysql2 would compile for the fields is never used.
  const command = new PacketQuery({ sql, disableEval: true }, (error) => end(error ?? undefined));
  command.on('fields', (fields) => {
    // A statement without a result gives no fields.
    if (!fields) return;
    reader.fields(fields);
    described = true;
  });
  if (cutsPackets(raw)) giveBack = takePackets(raw, { ...reader, end }, () => described);
  raw.addCommand(command);
  // Not connection.pause(): that copies every packet left in the chunk, and they fit into the next batch.
  return { pause: () => raw.stream.pause(), resume: () => raw.stream.resume() };
}

/** True when the packets of the socket are those of the protocol, and not compressed ones. */
export function cutsPackets({ packetParser }: RawConnection): boolean {
  return typeof packetParser?.execute === 'function' && packetParser.packetHeaderLength === 4;
}

/** Puts our packets in the place of mysql2's parser; returns what puts it back. */
function takePackets(raw: RawConnection, reader: ResultReader, hasFields: () => boolean): () => void {
  const { stream } = raw;
  const theirs = raw.packetParser as PacketParser;
  const giveBack = (): void => {
    raw.packetParser = theirs;
    if ('lends' in stream) stream.lends = false;
  };
  const packets = new ResultPackets({
    hasFields,
    pass: (packet) => theirs.execute(packet),
    rows: (rows) => reader.rows(rows),
    ended: giveBack,
  });
  raw.packetParser = {
    execute(chunk) {
      try {
        packets.take(chunk);
      } catch (error) {
        stream.destroy();
        reader.end(error as Error);
      }
    },
  };
  if ('lends' in stream) stream.lends = true;
  return giveBack;
}

function oneRow(bytes: Uint8Array, start: number, end: number): PacketRows {
  return { bytes, starts: Int32Array.of(start), ends: Int32Array.of(end), count: 1 };
}

/** The same over the documented API: rows as arrays of buffers, put back into the encoding of the protocol. */
export function readRows(connection: Connection, sql: string, reader: ResultReader): Flow {
  let ended = false;
  const end = (error?: Error): void => {
    if (ended) return;
    ended = true;
    connection.off('error', end);
    reader.end(error);
  };
  // A command without a callback is not told when the connection is lost.
  connection.on('error', end);
  const attempt = (work: () => void): void => {
    try {
      if (!ended) work();
    } catch (error) {
      rawConnection(connection).stream.destroy();
      end(error as Error);
    }
  };
  const query = connection.query({ sql, rowsAsArray: true, typeCast: false });
  query.on('fields', (fields: readonly ResultField[] | undefined) => attempt(() => fields && reader.fields(fields)));
  query.on('result', (row: unknown) =>
    attempt(() => {
      if (!Array.isArray(row)) return;
      const packet = encodedRow(row as readonly (Uint8Array | null)[]);
      reader.rows(oneRow(packet, 0, packet.length));
    }),
  );
  query.on('error', end);
  query.on('end', () => end());
  return { pause: () => connection.pause(), resume: () => connection.resume() };
}

function encodedRow(values: readonly (Uint8Array | null)[]): Uint8Array {
  return Buffer.concat(values.flatMap((value) => (value === null ? [NULL] : [encodedLength(value.length), value])));
}

const NULL = Uint8Array.of(0xfb);

function encodedLength(length: number): Uint8Array {
  if (length < 0xfb) return Uint8Array.of(length);
  const bytes = Buffer.alloc(9, 0xfe);
  bytes.writeBigUInt64LE(BigInt(length), 1);
  return bytes;
}
