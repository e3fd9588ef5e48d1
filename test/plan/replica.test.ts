/** A replica as source: what it has not applied yet lies behind the bound, so that the next run reads it. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, type RowDataPacket, createConnection } from 'mysql2/promise';
import t from 'tap';
import { startMariaDb } from '../support/mariadb.js';
import { extract } from './scratch.js';

t.setTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), 'replica-'));
chmodSync(folder, 0o755);
const say = (): void => {};
const logged = ['--log-bin', '--server-id=1'];
const [primary, replica] = await Promise.all([
  startMariaDb({ folder: join(folder, 'primary'), say, options: logged }),
  startMariaDb({ folder: join(folder, 'replica'), say, options: ['--server-id=2'] }),
]);
t.teardown(async () => {
  await Promise.all([primary.stop(), replica.stop()]);
  rmSync(folder, { recursive: true });
});
const [writes, reads] = await Promise.all([primary, replica].map(({ url }) => createConnection({ uri: url })));
const [on, copy] = [writes as Connection, reads as Connection];
t.teardown(() => Promise.all([on.end(), copy.end()]));

const [[place]] = await on.query<RowDataPacket[]>('SHOW MASTER STATUS');
await copy.query(
  `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port}, MASTER_USER = 'tablepipe',
   MASTER_PASSWORD = 'tablepipe', MASTER_LOG_FILE = ?, MASTER_LOG_POS = ?`,
  [place?.File, place?.Position],
);
await copy.query('START SLAVE');
await on.query(
  'CREATE TABLE rows_ (id INT PRIMARY KEY, update_at TIMESTAMP(6) NOT NULL DEFAULT NOW(6), KEY (update_at, id))',
);
await on.query('INSERT INTO rows_ (id) SELECT seq FROM seq_1_to_10');
await arrived(10);
// The place of an applier is known to the second, and the lag is taken off.
await sleep(3_000);

/** Until the replica has so many rows. */
async function arrived(rows: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1, await sleep(100)) {
    const found = await copy.query<RowDataPacket[]>('SELECT COUNT(*) AS n FROM rows_').catch(() => undefined);
    if (found?.[0][0]?.n === rows) return;
  }
  throw new Error(`the replica never had ${rows} rows`);
}

t.test('a first load of a replica that is behind', async (t) => {
  const env = { TABLEPIPE_MYSQL_URL: replica.url };
  const holder = await createConnection({ uri: replica.url });
  await holder.query('LOCK TABLES rows_ READ');
  await on.query('INSERT INTO rows_ (id) VALUES (11)');
  await sleep(4_000);
  const [[clock]] = await copy.query<RowDataPacket[]>(
    "SELECT CAST(UTC_TIMESTAMP(6) - INTERVAL '0.5' SECOND_MICROSECOND AS CHAR) AS bound",
  );
  const naive = String(clock?.bound);
  const first = await extract(['shop.rows_', '--lag', '500ms'], env);
  t.equal(first.ended.code, 0, first.ended.stderr);
  t.equal(first.rows.length, 10);
  t.match(first.end?.until?.rule, /replication thread/);
  t.match(first.ended.stderr, /is a replica/);
  await holder.end();
  await arrived(11);
  await sleep(1_000);
  // Where the chain goes on after a backfill.
  const since = JSON.stringify([first.end?.until?.value]);
  const second = await extract(['shop.rows_', '--lag', '500ms', '--since', since], env);
  t.ok(
    second.rows.some((row) => row.id === 11),
    JSON.stringify([first.end, second.end]),
  );
  t.notMatch(second.end?.until?.rule, /replication thread/, 'nothing is left to apply');
  const late = String(second.rows.find((row) => row.id === 11)?.update_at).replace('T', ' ');
  t.ok(late < naive, `a bound by the clock alone, ${naive}, lies beyond the row, ${late}, and would lose it`);
});

t.test('a whole number as cursor waits for what is being applied', async (t) => {
  const env = { TABLEPIPE_MYSQL_URL: replica.url };
  const words = ['shop.rows_', '--cursor', 'id', '--order', 'cursor', '--settle-timeout', '1s'];
  const holder = await createConnection({ uri: replica.url });
  await holder.query('LOCK TABLES rows_ READ');
  await on.query('INSERT INTO rows_ (id) VALUES (12)');
  await sleep(1_500);
  const held = await extract(words, env);
  t.equal(held.ended.code, 75, held.ended.stderr);
  t.match(held.ended.stderr, /waiting for what replication thread/);
  await holder.end();
  await arrived(12);
  await sleep(1_500);
  const free = await extract(words, env);
  t.equal(free.ended.code, 0, free.ended.stderr);
  t.equal(free.rows.length, 12);
  t.match(free.ended.stderr, /a smaller id that its primary commits later is missed/);
});

t.test('a server that replicates nothing has no such words', async (t) => {
  const { ended } = await extract(['shop.rows_', '--lag', '500ms'], { TABLEPIPE_MYSQL_URL: primary.url });
  t.equal(ended.code, 0);
  t.notMatch(ended.stderr, /replica/);
});
