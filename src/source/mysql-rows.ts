/**
 * Rows of the text protocol into Arrow batches. A row is, per column, 0xFB for NULL or a length and that many bytes
 * (reference/mysql.md 1.1); each value goes from the packet into its column buffer and nowhere else.
 */
import { type Data, RecordBatch, type Schema, Struct, makeData } from 'apache-arrow';
import { batchBytes, decodeBatch, schemaBytes } from '../codec/arrow-bytes.js';
import { BufferPool } from '../codec/buffer-pool.js';
import {
  type BAD_VALUE,
  type ColumnBuffer,
  type PacketValues,
  STORED,
  ZERO_DATE,
} from '../column/buffer/column-buffer.js';
import { columnBuffer, fixedRowBytes } from '../column/buffers.js';
import { type ColumnPlan, schemaOfPlans } from '../column/from-mysql.js';
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { PacketRows } from './mysql-packets.js';

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
  /** Gives the memory of `message` and `batch` back; nobody may look at them any more. Not calling it costs speed only. */
  release(): void;
}

const NULL = 0xfb;
const TWO_BYTES = 0xfc;
const THREE_BYTES = 0xfd;
const EIGHT_BYTES = 0xfe;

/** Messages whose memory waits to be used again. */
const SPARE = 3;

/** Positions of values that are kept at once: rows times columns. */
const MOST_VALUES = 1 << 17;

/**
 * Collects rows until a limit, then hands out a batch, whose bytes are its own: the column buffers are filled again.
 * Rows come many at once: first the places of all their values are found, then each column takes its own, so that
 * every loop does one thing. Memory: one batch, `limits.bytes` twice over at most.
 */
export class MysqlRows {
  private readonly buffers: readonly ColumnBuffer[];
  private readonly schema: Schema;
  private readonly capacity: number;
  private readonly pool = new BufferPool(SPARE);
  private rows = 0;
  private bytes = 0;
  /** Where the lengths of the values stand that are being taken: for each column of the result one place a row. */
  private readonly places: readonly Int32Array[];
  private readonly values: PacketValues;
  /** The column and the row of `places` that are being taken. */
  private column = 0;
  private first = 0;
  /** The text of the position columns in the last row. */
  private last: readonly (string | null)[] = [];

  constructor(private readonly shape: RowShape) {
    const { plans, limits, names } = shape;
    this.capacity = Math.max(1, Math.min(limits.rows, Math.floor(limits.bytes / Math.max(1, fixedRowBytes(plans)))));
    this.buffers = plans.map((plan) => columnBuffer(plan, this.capacity));
    this.schema = shape.schema ?? schemaOfPlans(plans);
    const atOnce = Math.max(1, Math.min(this.capacity, 4096, Math.floor(MOST_VALUES / names.length)));
    this.places = names.map(() => new Int32Array(atOnce));
    const bytes = new Uint8Array(0);
    this.values = {
      bytes,
      view: new DataView(bytes.buffer),
      at: new Int32Array(0),
      settle: (row, at) => this.settle(row, at),
    };
  }

  /** True for a result with these columns. */
  fits(names: readonly string[]): boolean {
    return names.length === this.shape.names.length && names.every((name, index) => name === this.shape.names[index]);
  }

  /**
   * Takes rows of a packet buffer from index `from` on and returns how many: fewer than there are when a batch is full.
   * Throws a Failure that names table, column and key where a policy says so.
   */
  add(packets: PacketRows, from: number): number {
    this.look(packets.bytes);
    const most = this.places[0]?.length ?? 1;
    let done = from;
    while (done < packets.count) {
      const count = this.fitting(packets, done, most);
      if (count === 0) break;
      this.find(packets, done, count);
      this.first = this.rows;
      for (this.column = 0; this.column < this.buffers.length; this.column += 1) {
        this.values.at = this.places[this.column] as Int32Array;
        (this.buffers[this.column] as ColumnBuffer).appendAll(this.values, this.rows, count);
      }
      this.rows += count;
      this.last = this.texts(this.shape.position, count - 1);
      done += count;
    }
    return done - from;
  }

  /** The buffer's whole memory, so that its bytes and its words have the same places. */
  private look({ buffer }: Uint8Array): void {
    const { values } = this;
    if (values.view.buffer === buffer) return;
    values.view = new DataView(buffer);
    values.bytes = new Uint8Array(buffer);
  }

  /** How many of the next rows, up to `most`, belong into the batch. */
  private fitting({ starts, ends, count }: PacketRows, from: number, most: number): number {
    const { rows } = this;
    const end = Math.min(count, from + most, from + this.capacity - rows);
    let { bytes } = this;
    let at = from;
    for (; at < end; at += 1) {
      const more = (ends[at] as number) - (starts[at] as number);
      if (bytes + more > this.shape.limits.bytes && rows + at - from > 0) break;
      bytes += more;
    }
    this.bytes = bytes;
    return at - from;
  }

  /** Finds the values of rows. */
  private find({ bytes: { byteOffset }, starts, ends }: PacketRows, from: number, count: number): void {
    const { bytes } = this.values;
    const { places } = this;
    const columns = places.length;
    for (let index = 0; index < count; index += 1) {
      let at = (starts[from + index] as number) + byteOffset;
      for (let column = 0; column < columns; column += 1) {
        (places[column] as Int32Array)[index] = at;
        const length = bytes[at] as number;
        at += length < NULL ? length + 1 : valueBytes(bytes, at);
      }
      const end = (ends[from + index] as number) + byteOffset;
      if (at !== end) throw this.malformed(end - (starts[from + index] as number) - byteOffset);
    }
  }

  /** The rows so far as a batch, or undefined when there are none. */
  take(): RowBatch | undefined {
    const { rows, bytes } = this;
    if (rows === 0) return undefined;
    const last = this.last.map((text, index) => {
      if (text !== null) return text;
      throw new Failure('data', `${this.shape.table}: the cursor column ${this.nameOf(index)} is NULL in a row`);
    });
    const { schema } = this;
    const children = this.buffers.map((buffer): Data => buffer.data(rows));
    const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children });
    const message = batchBytes(new RecordBatch(schema, data), (size) => this.pool.take(size));
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
      release: () => this.pool.give(message),
    };
  }

  /** Fills a row of the column that is being taken with the value at `at`, whatever it is. */
  private settle(row: number, at: number): void {
    const { bytes } = this.values;
    const buffer = this.buffers[this.column] as ColumnBuffer;
    const plan = this.shape.plans[this.column] as ColumnPlan;
    if (bytes[at] === NULL) {
      if (plan.nullable) return buffer.appendNull(row);
      throw new Failure('data', `${this.where(row)}: NULL in a column that is NOT NULL`, {
        hint: 'The table was altered while it was read.',
      });
    }
    const start = at + lengthBytes(bytes[at] as number);
    const end = at + valueBytes(bytes, at);
    const outcome = buffer.append(row, bytes, start, end);
    if (outcome === STORED) return;
    const policy = outcome === ZERO_DATE ? plan.zeroDates : plan.badValues;
    if (policy === 'null' && plan.nullable) return buffer.appendNull(row);
    if (policy === 'text' && plan.reading.endsWith('text')) return buffer.appendText(row, bytes, start, end);
    throw this.unfit(outcome, row, shown(bytes.subarray(start, end)));
  }

  private unfit(outcome: typeof ZERO_DATE | typeof BAD_VALUE, row: number, value: string): Failure {
    const { mysqlType } = this.shape.plans[this.column] as ColumnPlan;
    const [what, flag] =
      outcome === ZERO_DATE ? ['a zero date', '--zero-dates'] : [`not a value of ${mysqlType}`, '--on-bad-value'];
    return new Failure('data', `${this.where(row)}: ${value} is ${what}`, {
      hint: `Choose ${flag} null or ${flag} text, or correct the row.`,
    });
  }

  /** `shop.orders, column `shipped_on`, row id=7`. */
  private where(row: number): string {
    const { table, key, names } = this.shape;
    const texts = this.texts(key, row - this.first);
    const values = texts.map((text, index) => `${names[key[index] as number]}=${text ?? 'NULL'}`);
    return `${table}, column \`${names[this.column]}\`${values.length > 0 ? `, row ${values.join(', ')}` : ''}`;
  }

  private nameOf(index: number): string {
    return `\`${this.shape.names[this.shape.position[index] as number]}\``;
  }

  /** Values of a row in `places` as text: binary keys as hexadecimal. */
  private texts(columns: readonly number[], index: number): (string | null)[] {
    const { bytes } = this.values;
    return columns.map((column) => {
      const at = this.places[column]?.[index] as number;
      if (bytes[at] === NULL) return null;
      const value = Buffer.from(bytes.subarray(at + lengthBytes(bytes[at] as number), at + valueBytes(bytes, at)));
      return this.shape.plans[column]?.reading === 'bytes' ? `0x${value.toString('hex')}` : value.toString('utf8');
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

function longLength(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] as number;
  const first = byte(0);
  if (first === TWO_BYTES) return byte(1) | (byte(2) << 8);
  if (first === THREE_BYTES) return byte(1) | (byte(2) << 8) | (byte(3) << 16);
  // Four bytes are enough: no packet is longer than max_allowed_packet, which ends at 1 GiB.
  if (first === EIGHT_BYTES) return (byte(1) | (byte(2) << 8) | (byte(3) << 16)) + byte(4) * 0x1_00_00_00;
  throw new Failure('protocol', 'the server sent an error in the place of a value');
}

/** Bytes of the value at `at` with its length. */
function valueBytes(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  if (first < NULL) return 1 + first;
  return first === NULL ? 1 : lengthBytes(first) + longLength(bytes, at);
}

/** A value for a message: its text when it is short and readable, else its first bytes. */
function shown(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('utf8');
  if (bytes.length <= 40 && /^[\x20-\x7e]*$/.test(text)) return JSON.stringify(text);
  return `0x${Buffer.from(bytes.subarray(0, 16)).toString('hex')}${bytes.length > 16 ? '…' : ''}`;
}
