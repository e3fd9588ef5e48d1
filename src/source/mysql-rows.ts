/**
 * Rows of the text protocol into Arrow batches. A row is, per column, 0xFB for NULL or a length and that many bytes
 * (reference/mysql.md 1.1); each value goes from the packet into its column buffer and nowhere else.
 */
import { type Data, RecordBatch, type Schema, Struct, makeData } from 'apache-arrow';
import { batchBytes, decodeBatch, schemaBytes } from '../codec/arrow-bytes.js';
import { BAD_VALUE, type ColumnBuffer, STORED, ZERO_DATE } from '../column/buffer/column-buffer.js';
import { columnBuffer, fixedRowBytes } from '../column/buffers.js';
import { type ColumnPlan, schemaOfPlans } from '../column/from-mysql.js';
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';

/** Where a batch ends, whichever comes first; a single row larger than `bytes` is a batch of its own. */
export interface BatchLimits {
  rows: number;
  /** Bytes of the rows as the server sent them, and bytes of the fixed-width columns they become. */
  bytes: number;
}

export interface RowShape {
  /** `schema.table`, for messages. */
  table: string;
  /** The columns of the batches: the first ones of the result, in its order. Columns after them are not decoded. */
  plans: readonly ColumnPlan[];
  /** Which columns of the result make up the position of a row. */
  position: readonly number[];
  /** Which columns of the result name a row in a message: the primary key. */
  key: readonly number[];
  /** The names of the result's columns, also of those that are not decoded. */
  names: readonly string[];
  limits: BatchLimits;
  schema?: Schema;
}

export interface RowBatch {
  /** The batch as an Arrow message, ready to be written. */
  message: Uint8Array;
  /** The batch as columns that point into the message; taken apart when asked for. */
  readonly batch: RecordBatch;
  rows: number;
  /** Bytes of the rows as the server sent them. */
  bytes: number;
  /** Of the last row: the exact text of the position columns. */
  last: Position;
}

const NULL = 0xfb;
const TWO_BYTES = 0xfc;
const THREE_BYTES = 0xfd;
const EIGHT_BYTES = 0xfe;

/**
 * Collects rows until a limit, then hands out a batch, whose bytes are its own: the column buffers are filled again.
 * Memory: one batch, `limits.bytes` twice over at most, and the chunk its last row came in.
 */
export class MysqlRows {
  private readonly buffers: readonly ColumnBuffer[];
  private readonly schema: Schema;
  private readonly capacity: number;
  private rows = 0;
  private bytes = 0;
  /** The last row, still in its packet. */
  private packet: Uint8Array = new Uint8Array(0);
  private packetStart = 0;

  constructor(private readonly shape: RowShape) {
    const { plans, limits } = shape;
    this.capacity = Math.max(1, Math.min(limits.rows, Math.floor(limits.bytes / Math.max(1, fixedRowBytes(plans)))));
    this.buffers = plans.map((plan) => columnBuffer(plan, this.capacity));
    this.schema = shape.schema ?? schemaOfPlans(plans);
  }

  /** True when the next row of `rowBytes` bytes belongs into the next batch. */
  isFull(rowBytes: number): boolean {
    return this.rows > 0 && (this.rows >= this.capacity || this.bytes + rowBytes > this.shape.limits.bytes);
  }

  /** Takes the row in `packet[start..end)`; throws a Failure that names table, column and key where a policy says so. */
  add(packet: Uint8Array, start: number, end: number): void {
    const { buffers, rows } = this;
    const columns = buffers.length;
    this.packet = packet;
    this.packetStart = start;
    let at = start;
    for (let column = 0; column < columns; column += 1) {
      const buffer = buffers[column] as ColumnBuffer;
      let length = packet[at] as number;
      at += 1;
      if (length >= NULL) {
        if (length === NULL) {
          this.addNull(column, buffer);
          continue;
        }
        length = longLength(packet, at - 1);
        at += lengthBytes(packet[at - 1] as number) - 1;
      }
      const next = at + length;
      if (next > end) throw this.malformed(end - start);
      const outcome = buffer.append(rows, packet, at, next);
      if (outcome !== STORED) this.refused(outcome, column, buffer, at, next);
      at = next;
    }
    for (let column = columns; column < this.shape.names.length; column += 1) at = valueEnd(packet, at);
    if (at !== end) throw this.malformed(end - start);
    this.rows = rows + 1;
    this.bytes += end - start;
  }

  /** The rows so far as a batch, or undefined when there are none. */
  take(): RowBatch | undefined {
    const { rows, bytes } = this;
    if (rows === 0) return undefined;
    const last = this.texts(this.shape.position).map((text, index) => {
      if (text !== null) return text;
      throw new Failure('data', `${this.shape.table}: the cursor column ${this.nameOf(index)} is NULL in a row`);
    });
    const { schema } = this;
    const children = this.buffers.map((buffer): Data => buffer.data(rows));
    const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children });
    const message = batchBytes(new RecordBatch(schema, data));
    for (const buffer of this.buffers) buffer.reset();
    this.rows = 0;
    this.bytes = 0;
    return {
      message,
      get batch(): RecordBatch {
        return decodeBatch(schemaBytes(schema), message);
      },
      rows,
      bytes,
      last,
    };
  }

  private addNull(column: number, buffer: ColumnBuffer): void {
    const plan = this.shape.plans[column] as ColumnPlan;
    if (!plan.nullable) {
      throw new Failure('data', `${this.where(column)}: NULL in a column that is NOT NULL`, {
        hint: 'The table was altered while it was read.',
      });
    }
    buffer.appendNull(this.rows);
  }

  private refused(
    outcome: typeof ZERO_DATE | typeof BAD_VALUE,
    column: number,
    buffer: ColumnBuffer,
    start: number,
    end: number,
  ): void {
    const plan = this.shape.plans[column] as ColumnPlan;
    const policy = outcome === ZERO_DATE ? plan.zeroDates : plan.badValues;
    if (policy === 'null' && plan.nullable) return buffer.appendNull(this.rows);
    if (policy === 'text' && plan.reading.endsWith('text'))
      return buffer.appendText(this.rows, this.packet, start, end);
    throw this.unfit(outcome, column, shown(this.packet.subarray(start, end)));
  }

  private unfit(outcome: typeof ZERO_DATE | typeof BAD_VALUE, column: number, value: string): Failure {
    const { mysqlType } = this.shape.plans[column] as ColumnPlan;
    const [what, flag] =
      outcome === ZERO_DATE ? ['a zero date', '--zero-dates'] : [`not a value of ${mysqlType}`, '--on-bad-value'];
    return new Failure('data', `${this.where(column)}: ${value} is ${what}`, {
      hint: `Choose ${flag} null or ${flag} text, or correct the row.`,
    });
  }

  /** `shop.orders, column `shipped_on`, row id=7`. */
  private where(column: number): string {
    const { table, key, names } = this.shape;
    const values = this.texts(key).map((text, index) => `${names[key[index] as number]}=${text ?? 'NULL'}`);
    return `${table}, column \`${names[column]}\`${values.length > 0 ? `, row ${values.join(', ')}` : ''}`;
  }

  private nameOf(index: number): string {
    return `\`${this.shape.names[this.shape.position[index] as number]}\``;
  }

  /** Values of the current row as text: binary keys as hexadecimal. */
  private texts(columns: readonly number[]): (string | null)[] {
    return columns.map((wanted) => {
      let at = this.packetStart;
      for (let column = 0; column < wanted; column += 1) at = valueEnd(this.packet, at);
      if (this.packet[at] === NULL) return null;
      const end = valueEnd(this.packet, at);
      const bytes = this.packet.subarray(at + lengthBytes(this.packet[at] as number), end);
      const binary = this.shape.plans[wanted]?.reading === 'bytes';
      return binary ? `0x${Buffer.from(bytes).toString('hex')}` : Buffer.from(bytes).toString('utf8');
    });
  }

  private malformed(bytes: number): Failure {
    const columns = this.shape.names.length;
    return new Failure('protocol', `${this.shape.table}: a row of ${bytes} bytes does not hold ${columns} columns`);
  }
}

/** Bytes a length takes, by its first byte. */
function lengthBytes(first: number): number {
  if (first <= NULL) return 1;
  if (first === TWO_BYTES) return 3;
  return first === THREE_BYTES ? 4 : 9;
}

function longLength(packet: Uint8Array, at: number): number {
  const byte = (index: number): number => packet[at + index] as number;
  const first = byte(0);
  if (first === TWO_BYTES) return byte(1) | (byte(2) << 8);
  if (first === THREE_BYTES) return byte(1) | (byte(2) << 8) | (byte(3) << 16);
  // Four bytes are enough: no packet is longer than max_allowed_packet, which ends at 1 GiB.
  if (first === EIGHT_BYTES) return (byte(1) | (byte(2) << 8) | (byte(3) << 16)) + byte(4) * 0x1_00_00_00;
  throw new Failure('protocol', 'the server sent an error in the place of a value');
}

/** Where the value that starts at `at` ends. */
function valueEnd(packet: Uint8Array, at: number): number {
  const first = packet[at] as number;
  if (first < NULL) return at + 1 + first;
  return first === NULL ? at + 1 : at + lengthBytes(first) + longLength(packet, at);
}

/** A value for a message: its text when it is short and readable, else its first bytes. */
function shown(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  if (bytes.length <= 40 && /^[\x20-\x7e]*$/.test(text)) return JSON.stringify(text);
  return `0x${Buffer.from(bytes.subarray(0, 16)).toString('hex')}${bytes.length > 16 ? '…' : ''}`;
}
