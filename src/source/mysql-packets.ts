/**
 * The packets of one result set, taken from the connection before mysql2 cuts them apart: what comes before and after
 * the rows is passed on to mysql2 packet by packet, the rows in between go to a reader, as many as a chunk holds.
 * Framing: reference/mysql.md 1.1.
 */
import { Failure } from '../errors.js';

/** Rows that lie in one buffer, in the encoding of the text protocol: row i is `bytes[starts[i]..ends[i])`. */
export interface PacketRows {
  bytes: Uint8Array;
  starts: Int32Array;
  ends: Int32Array;
  count: number;
}

const HEADER = 4;
/** A payload of this length goes on in the next packet. */
const LONGEST = 0xffffff;
const ERR = 0xff;
const EOF = 0xfe;
/** A row begins like an EOF packet when its first value has 16 MiB or more; it is longer then. */
const EOF_BYTES = 9;

/** Rows handed over at once. */
const MOST_ROWS = 4096;

/** A buffer for a packet that arrives in parts is kept for the next one up to this size. */
const KEPT_BYTES = 1 << 20;

export interface PacketTakers {
  /** True once mysql2 knows the columns: one EOF packet later the rows begin. */
  hasFields(): boolean;
  /** Takes a packet for mysql2; the bytes are a copy. */
  pass(packet: Buffer): void;
  /** Takes rows; the bytes are only lent, they are overwritten when the call returns. */
  rows(rows: PacketRows): void;
  /** Told before the packet that ends the rows is passed on. */
  ended(): void;
}

/** Cuts chunks into packets. Memory: one packet, when its parts come in several chunks; a row above 16 MiB twice. */
export class ResultPackets {
  private readonly found: PacketRows = {
    bytes: new Uint8Array(0),
    starts: new Int32Array(MOST_ROWS),
    ends: new Int32Array(MOST_ROWS),
    count: 0,
  };
  /** What came of a packet that is not all there. */
  private held = new Uint8Array(0);
  private heldBytes = 0;
  /** The payloads so far of a row in several packets. */
  private parts: Uint8Array[] = [];
  private inRows = false;
  /** The number the next packet of the server must have. */
  private sequence = 0;
  /** The number mysql2 waits for: that of the first row. */
  private firstSequence = 0;

  constructor(private readonly takers: PacketTakers) {}

  /** Takes what the socket delivered. Throws what a taker throws, and 76 for packets out of order. */
  take(chunk: Uint8Array): void {
    let at = this.heldBytes > 0 ? this.complete(chunk) : 0;
    while (at < chunk.length) {
      if (this.inRows && this.parts.length === 0) at = this.rows(chunk, at);
      const left = chunk.length - at;
      if (left === 0) return;
      const bytes = left < HEADER ? HEADER : HEADER + payloadBytes(chunk, at);
      if (left < bytes) return this.hold(bytes, chunk.subarray(at));
      this.packet(chunk, at, bytes);
      at += bytes;
    }
  }

  /** Hands over the rows that are whole and in a packet of their own; returns where something else stands. */
  private rows(bytes: Uint8Array, start: number): number {
    const { found } = this;
    const { starts, ends } = found;
    const end = bytes.length;
    let { sequence } = this;
    let at = start;
    let count = 0;
    found.bytes = bytes;
    while (count < MOST_ROWS && end - at > HEADER) {
      const length = payloadBytes(bytes, at);
      const next = at + HEADER + length;
      if (next > end || length === LONGEST || isLast(bytes[at + HEADER] as number, length)) break;
      if (bytes[at + 3] !== sequence) throw outOfOrder(bytes[at + 3], sequence);
      sequence = (sequence + 1) & 0xff;
      starts[count] = at + HEADER;
      ends[count] = next;
      count += 1;
      at = next;
    }
    this.sequence = sequence;
    found.count = count;
    if (count > 0) this.takers.rows(found);
    return at;
  }

  /** Goes on with the packet that was not all there; returns where in the chunk the next one begins. */
  private complete(chunk: Uint8Array): number {
    let at = 0;
    for (;;) {
      const bytes = this.heldBytes < HEADER ? HEADER : HEADER + payloadBytes(this.held, 0);
      if (this.heldBytes === bytes && this.heldBytes >= HEADER) {
        const packet = this.held;
        this.heldBytes = 0;
        if (packet.length > KEPT_BYTES) this.held = new Uint8Array(0);
        this.packet(packet, 0, bytes);
        return at;
      }
      if (at === chunk.length) return at;
      const taken = Math.min(bytes - this.heldBytes, chunk.length - at);
      this.hold(bytes, chunk.subarray(at, at + taken));
      at += taken;
    }
  }

  private hold(bytes: number, part: Uint8Array): void {
    if (this.held.length < bytes) {
      const larger = new Uint8Array(Math.max(bytes, 1024));
      larger.set(this.held.subarray(0, this.heldBytes));
      this.held = larger;
    }
    this.held.set(part, this.heldBytes);
    this.heldBytes += part.length;
  }

  private packet(bytes: Uint8Array, at: number, length: number): void {
    const start = at + HEADER;
    const payload = length - HEADER;
    if (!this.inRows) {
      const rowsFollow = this.takers.hasFields();
      this.takers.pass(Buffer.from(bytes.subarray(at, at + length)));
      this.inRows = rowsFollow;
      this.firstSequence = this.sequence = ((bytes[at + 3] as number) + 1) & 0xff;
      return;
    }
    if (bytes[at + 3] !== this.sequence) throw outOfOrder(bytes[at + 3], this.sequence);
    this.sequence = (this.sequence + 1) & 0xff;
    if (payload === LONGEST || this.parts.length > 0) return this.part(bytes.slice(start, start + payload));
    if (!isLast(bytes[start] as number, payload)) return this.row(bytes, start, start + payload);
    this.inRows = false;
    this.takers.ended();
    const last = Buffer.from(bytes.subarray(at, at + length));
    last[3] = this.firstSequence;
    this.takers.pass(last);
  }

  private part(payload: Uint8Array): void {
    this.parts.push(payload);
    if (payload.length === LONGEST) return;
    const row = Buffer.concat(this.parts);
    this.parts = [];
    this.row(row, 0, row.length);
  }

  private row(bytes: Uint8Array, start: number, end: number): void {
    const { found } = this;
    found.bytes = bytes;
    found.starts[0] = start;
    found.ends[0] = end;
    found.count = 1;
    this.takers.rows(found);
  }
}

/** The payload length in the header at `at`. */
function payloadBytes(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
}

/** True for the packet that ends the rows: EOF, or an error. */
function isLast(first: number, length: number): boolean {
  return first >= EOF && (first === ERR || length < EOF_BYTES);
}

function outOfOrder(received: number | undefined, expected: number): Failure {
  return new Failure('protocol', `the server sent packet ${received} where ${expected} was due`);
}
