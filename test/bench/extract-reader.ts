/**
 * One contender of the extract bench, in a process of its own: reads a query to its end and prints what it cost.
 *
 *     node dist/test/bench/extract-reader.js floor|rows|ours 'SELECT …'      (TABLEPIPE_MYSQL_URL)
 */
import { createWriteStream, writeSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { type Connection, createConnection } from 'mysql2';
import { schemaBytes } from '../../src/codec/arrow-bytes.js';
import { columnPlan } from '../../src/column/from-mysql.js';
import { type ResultField, columnOfField } from '../../src/column/mysql-column.js';
import { lendingSocket } from '../../src/connect/lending-socket.js';
import { queryBatches } from '../../src/source/mysql-batches.js';

const LIMITS = { rows: 65_536, bytes: 4 * 2 ** 20 };

/** The bytes of the result read from the socket and dropped: what no reader can be faster than. */
async function floor(connection: Connection, sql: string): Promise<number> {
  const { stream } = connection as unknown as { stream: Duplex };
  stream.removeAllListeners('data');
  const statement = Buffer.from(`\0\0\0\0\x03${sql}`);
  statement.writeUIntLE(statement.length - 4, 0, 3);
  stream.write(statement);
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // The closing EOF packet: length 5, sequence, 0xFE, warnings, status.
    if (chunk[chunk.length - 9] === 5 && chunk[chunk.length - 5] === 0xfe && chunk[chunk.length - 8] === 0) break;
  }
  return bytes;
}

/** mysql2's row stream. */
async function rows(connection: Connection, sql: string): Promise<number> {
  let count = 0;
  for await (const row of connection.query(sql).stream({ highWaterMark: 1000 })) if (row) count += 1;
  return count;
}

/** The columnar decoder without the program around it, its batches as Arrow bytes into /dev/null. */
async function ours(connection: Connection, sql: string): Promise<number> {
  const fields = await fieldsOf(connection, `${sql} LIMIT 0`);
  const plans = fields.map((field) =>
    columnPlan(columnOfField('bench', field), { zeroDates: 'fail', badValues: 'fail' }),
  );
  const shape = { table: 'bench', plans, position: [0], key: [0], limits: LIMITS };
  const out = createWriteStream('/dev/null');
  let count = 0;
  const query = { ...shape, sql, values: [] };
  for await (const batch of queryBatches(connection, query, new AbortController().signal)) {
    if (count === 0) out.write(schemaBytes(batch.batch.schema));
    count += batch.rows;
    const { message } = batch;
    await new Promise<void>((resolve, reject) => out.write(message, (error) => (error ? reject(error) : resolve())));
    batch.release();
  }
  return count;
}

function fieldsOf(connection: Connection, sql: string): Promise<ResultField[]> {
  return new Promise((resolve, reject) =>
    connection.query(sql, (error, _, fields) => (error ? reject(error) : resolve(fields as unknown as ResultField[]))),
  );
}

const READERS: Record<string, (connection: Connection, sql: string) => Promise<number>> = { floor, rows, ours };

const [, , name = '', sql = ''] = process.argv;
const reader = READERS[name];
if (!reader) throw new Error(`no reader ${name}`);
const url = new URL(process.env.TABLEPIPE_MYSQL_URL ?? '');
const stream = (): Duplex => lendingSocket(Number(url.port || 3306), url.hostname);
const connection = createConnection({ uri: url.href, ...(name === 'ours' ? { stream } : {}) });
connection.on('error', () => {});
await new Promise<void>((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())));
const began = process.hrtime.bigint();
const amount = await reader(connection, sql);
const ms = Number(process.hrtime.bigint() - began) / 1e6;
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
const cpuMs = (userCPUTime + systemCPUTime) / 1000;
writeSync(1, `${JSON.stringify({ ms, processMs: performance.now(), cpuMs, rssMiB: maxRSS / 1024, amount })}\n`);
(connection as unknown as { stream: Duplex }).stream.destroy();
