/**
 * One result set of mysql2, row packet by row packet. mysql2 has no public way to them, so a command of ours takes
 * its Query's place: the class is reached through `createQuery`, and a connection runs any command given to
 * `addCommand` (reference/mysql.md 4.3). test/source/mysql2-contract.test.ts pins what is relied on; when a
 * version does not look as expected, the documented row API does the same work more slowly.
 */
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { Connection } from 'mysql2';
import type { ResultField } from '../column/mysql-column.js';

/** What reading a result calls; `row` and `fields` may throw, which ends the reading with that error. */
export interface ResultReader {
  fields(fields: readonly ResultField[]): void;
  /** One row in the encoding of the text protocol. The bytes stay as they are for as long as they are referenced. */
  row(packet: Uint8Array, start: number, end: number): void;
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

/** The Connection of mysql2 with what its type declarations leave out. */
export interface RawConnection {
  stream: Duplex;
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

/** Runs the statement, every row packet given to the reader as it arrives, at most one socket chunk after a pause. */
export function readPackets(connection: Connection, Query: QueryClass, sql: string, reader: ResultReader): Flow {
  class PacketQuery extends Query {
    override row(packet: Packet, from: unknown): unknown {
      if (packet.isEOF()) return super.row(packet, from);
      reader.row(packet.buffer, packet.offset, packet.end);
      return this.row;
    }
  }
  // disableEval: the row parser mysql2 would compile for the fields is never used.
  const options = { sql, disableEval: true };
  const command = new PacketQuery(options, (error) => (error ? reader.end(error) : reader.end()));
  // A statement without a result gives no fields.
  command.on('fields', (fields) => fields && reader.fields(fields));
  const raw = rawConnection(connection);
  raw.addCommand(command);
  // Not connection.pause(): that copies every packet left in the chunk, and they fit into the next batch.
  return { pause: () => raw.stream.pause(), resume: () => raw.stream.resume() };
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
      reader.row(packet, 0, packet.length);
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
