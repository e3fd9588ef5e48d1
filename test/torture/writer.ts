/**
 * A writer that works on the table while it is moved: inserts, updates, deletes, transactions that stay open or are
 * rolled back, and statements that wait behind a lock on the table. It survives a server that is killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import mysql, { type Connection } from 'mysql2/promise';
import { Random } from './random.js';
import { HASH, type TableName, hashOf } from './table.js';

export interface WriterSettings {
  url: string;
  name: TableName;
  seed: string;
  letters: number;
}

export class Writer {
  readonly #random: Random;
  readonly #table: string;
  readonly #gone: string;
  #connections: Connection[] = [];
  #lastId = 0;
  #columns = 0;
  #altersLeft = 0;
  #stopped = false;
  #working: Promise<void> = Promise.resolve();

  constructor(private readonly settings: WriterSettings) {
    this.#random = new Random(`${settings.seed} writer`);
    this.#table = `${settings.name.schema}.${settings.name.table}`;
    this.#gone = `${settings.name.schema}.gone`;
  }

  /** Rows that are there before anything is moved. */
  async fill(rows: number): Promise<void> {
    const step = Math.max(1, Math.min(200, Math.floor(2_000_000 / this.settings.letters)));
    for (let left = rows; left > 0; left -= step) await this.#insert(0, Math.min(step, left));
  }

  start(): void {
    this.#stopped = false;
    this.#working = this.#work();
    // Whoever stops it is told.
    this.#working.catch(() => {});
  }

  /** Ends the step it is at; nothing stays open. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  /** Adds a column, as the next step. */
  addColumn(): void {
    this.#altersLeft += 1;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#disconnect();
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (this.#altersLeft > 0) await this.#alter();
        else await this.#step();
        await sleep(this.#random.whole(10, 150));
      } catch (error) {
        // What the statement did is in the table or is not, and the table is what counts.
        if (!isExpected(error)) throw error;
        await this.#disconnect();
        await sleep(100);
      }
    }
  }

  #step(): Promise<void> {
    return this.#random.weighted<() => Promise<void>>([
      [6, () => this.#insert(0, this.#random.whole(1, 30))],
      [6, () => this.#update(0)],
      [1, () => this.#delete()],
      [3, () => this.#transaction()],
      [1, () => this.#behindLock()],
      [1, () => this.#behindRow()],
    ])();
  }

  async #insert(session: number, rows: number): Promise<void> {
    const values: unknown[] = [];
    for (let row = 0; row < rows; row += 1) {
      this.#lastId += 1;
      const content = this.#content();
      values.push(this.#lastId, content, hashOf(this.#lastId, 1, content));
    }
    const list = Array.from({ length: rows }, () => '(?, 1, ?, ?)').join(', ');
    const connection = await this.#connection(session);
    await connection.query(`INSERT INTO ${this.#table} (id, version, content, hash) VALUES ${list}`, values);
  }

  async #update(session: number, first = this.#anyId(), last = first + this.#random.whole(0, 25)): Promise<void> {
    // Assignments take effect from left to right, so the hash is of the new values.
    const set = [`version = version + 1`, `content = ?`, `hash = ${HASH.mysql}`];
    const connection = await this.#connection(session);
    const sql = `UPDATE ${this.#table} SET ${set.join(', ')} WHERE id BETWEEN ? AND ?`;
    await connection.query(sql, [this.#content(), first, last]);
  }

  async #delete(): Promise<void> {
    const id = this.#anyId();
    const connection = await this.#connection(0);
    await connection.query('START TRANSACTION');
    await connection.query(`INSERT IGNORE INTO ${this.#gone} SELECT id FROM ${this.#table} WHERE id = ?`, [id]);
    await connection.query(`DELETE FROM ${this.#table} WHERE id = ?`, [id]);
    await connection.query('COMMIT');
  }

  /** Stays open while others commit, and then commits rows that are older than theirs, or takes them back. */
  async #transaction(): Promise<void> {
    const connection = await this.#connection(1);
    await connection.query('START TRANSACTION');
    await this.#insert(1, this.#random.whole(1, 10));
    await sleep(this.#random.whole(20, 600));
    await this.#update(0);
    await this.#insert(1, 1);
    await sleep(this.#holdMs());
    await connection.query(this.#random.chance(0.7) ? 'COMMIT' : 'ROLLBACK');
  }

  /** A row whose time is that of its statement, which waits until long after. */
  async #behindLock(): Promise<void> {
    const locker = await this.#connection(1);
    await locker.query(`LOCK TABLES ${this.#table} WRITE`);
    const waiting = this.#update(0);
    waiting.catch(() => {});
    await sleep(this.#holdMs());
    await locker.query('UNLOCK TABLES');
    await waiting;
  }

  /** The same with the lock of a row: the time is that of the statement, the value that of the end of the wait. */
  async #behindRow(): Promise<void> {
    const id = this.#anyId();
    const holder = await this.#connection(1);
    await holder.query('START TRANSACTION');
    await this.#update(1, id, id);
    const waiting = this.#update(0, id, id + 3);
    waiting.catch(() => {});
    await sleep(this.#random.whole(50, 800));
    await holder.query('COMMIT');
    await waiting;
  }

  async #alter(): Promise<void> {
    this.#altersLeft -= 1;
    this.#columns += 1;
    const connection = await this.#connection(0);
    await connection.query(`ALTER TABLE ${this.#table} ADD COLUMN extra${this.#columns} INT NULL`);
    // Every change of a row is a version of its own, or an append could not be told from one that came twice.
    const set = [`version = version + 1`, `hash = ${HASH.mysql}`, `extra${this.#columns} = version`];
    await connection.query(`UPDATE ${this.#table} SET ${set.join(', ')} WHERE id % 7 = 0`);
  }

  /** Now and then longer than the lag that mysql-extract keeps anyway, or a bound that sees nothing would do. */
  #holdMs(): number {
    return this.#random.chance(0.2) ? this.#random.whole(2_500, 4_500) : this.#random.whole(20, 1_200);
  }

  #anyId(): number {
    return this.#random.whole(1, Math.max(1, this.#lastId));
  }

  #content(): string {
    return this.#random.letters(this.#random.whole(1, this.settings.letters));
  }

  async #connection(session: number): Promise<Connection> {
    let connection = this.#connections[session];
    if (!connection) {
      connection = await mysql.createConnection({ uri: this.settings.url });
      connection.on('error', () => {});
      // Its own two sessions may stand in each other's way.
      await connection.query('SET SESSION innodb_lock_wait_timeout = 1');
      this.#connections[session] = connection;
    }
    return connection;
  }

  async #disconnect(): Promise<void> {
    for (const connection of this.#connections) connection?.destroy();
    this.#connections = [];
  }
}

/** A server that went away, or a lock that the writer's own other session holds. */
function isExpected(error: unknown): boolean {
  const { code = '', fatal = false } = error as { code?: string; fatal?: boolean };
  return fatal || EXPECTED.test(code) || /closed state/.test(String(error));
}

const EXPECTED = new RegExp(
  `^(${['ECONN', 'EPIPE', 'PROTOCOL_', 'ER_SERVER_SHUTDOWN', 'ER_QUERY_INTERRUPTED', 'ER_CONNECTION_KILLED', 'ER_LOCK_'].join('|')})`,
);
