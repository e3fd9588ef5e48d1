/**
 * A thread that changes the table `live` until it is told to stop, at a given pace: over several connections, since
 * one that waits for each answer is slower than the server. Says at the end what it deleted, and what the server counted.
 */
import { parentPort, workerData } from 'node:worker_threads';
import mysql, { type Connection, type RowDataPacket } from 'mysql2/promise';

export interface Work {
  url: string;
  perSecond: number;
  /** The table has the keys 1 to `rows`. */
  rows: number;
  /** Statements answered so far, and 1 once it is to stop. */
  shared: Int32Array;
}

export interface Written {
  deleted: number[];
  /** INSERT, UPDATE and DELETE of these connections, as the server counts them. */
  counted: number;
  perSecond: number;
}

const CONNECTIONS = 4;
const { url, perSecond, rows, shared } = workerData as Work;
const deleted: number[] = [];
let given = 0;
let began = 0;

/** A fixed walk over the keys: the same work in every run, and no key twice at the same time. */
async function change(connection: Connection, n: number): Promise<void> {
  const id = 1 + ((n * 7919) % rows);
  if (n % 10 === 0) {
    await connection.query('DELETE FROM live WHERE id = ?', [id]);
    deleted.push(id);
  } else if (n % 3 === 0) {
    await connection.query("INSERT INTO live (v, pad) VALUES (?, 'new')", [n]);
  } else {
    await connection.query('UPDATE live SET v = ? WHERE id = ?', [n, id]);
  }
}

async function write(connection: Connection): Promise<number> {
  while (Atomics.load(shared, 1) === 0) {
    const n = (given += 1);
    await change(connection, n);
    Atomics.add(shared, 0, 1);
    const early = (n / perSecond) * 1000 - (performance.now() - began);
    if (early > 2) await new Promise((resolve) => setTimeout(resolve, early));
  }
  const [counts] = await connection.query<RowDataPacket[]>(
    "SHOW SESSION STATUS WHERE Variable_name IN ('Com_insert', 'Com_update', 'Com_delete')",
  );
  await connection.end();
  return counts.reduce((sum, { Value }) => sum + Number(Value), 0);
}

const connections: Connection[] = [];
for (let n = 0; n < CONNECTIONS; n += 1) connections.push(await mysql.createConnection({ uri: url }));
began = performance.now();
const counted = (await Promise.all(connections.map(write))).reduce((sum, count) => sum + count, 0);
const seconds = (performance.now() - began) / 1000;
parentPort?.postMessage({ deleted, counted, perSecond: counted / seconds } satisfies Written);
