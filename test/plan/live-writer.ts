/** A thread that changes a table at a given pace, and says at the end what it deleted and how fast it was. */
import { parentPort, workerData } from 'node:worker_threads';
import mysql from 'mysql2/promise';

interface Work {
  url: string;
  statements: number;
  perSecond: number;
  rows: number;
}

const { url, statements, perSecond, rows } = workerData as Work;
const connection = await mysql.createConnection({ uri: url });
const deleted: number[] = [];
const began = performance.now();
for (let n = 1; n <= statements; n += 1) {
  // A fixed walk over the keys: the same work in every run.
  const id = 1 + ((n * 7919) % rows);
  if (n % 10 === 0) {
    await connection.query('DELETE FROM live WHERE id = ?', [id]);
    deleted.push(id);
  } else if (n % 3 === 0) {
    await connection.query("INSERT INTO live (v, pad) VALUES (?, 'new')", [n]);
  } else {
    await connection.query('UPDATE live SET v = ? WHERE id = ?', [n, id]);
  }
  const early = (n / perSecond) * 1000 - (performance.now() - began);
  if (early > 2) await new Promise((resolve) => setTimeout(resolve, early));
}
const seconds = (performance.now() - began) / 1000;
await connection.end();
parentPort?.postMessage({ deleted, perSecond: statements / seconds });
