/** `make up`: MariaDB, PostgreSQL and an S3 store for a person, with a shop to move. Twice is harmless. */
import { createConnection } from 'mysql2/promise';
import { startBed } from './bed.js';
import { addCustomers, addOrders, createShop } from './shop.js';
import { standingServers, stopStanding, writeStanding } from './standing-bed.js';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const standing = standingServers();
if (standing) {
  say(`already up: ${standing.join(', ')}`);
} else {
  await stopStanding();
  const bed = await startBed({ mysql: true, warehouse: true, s3: true, say, outlives: true });
  try {
    const connection = await createConnection(bed.env.TABLEPIPE_MYSQL_URL ?? '');
    const run = (sql: string): Promise<unknown> => connection.query(sql);
    await createShop(run);
    await addOrders(run, 1, 200_000);
    await addCustomers(run, 1, 5_000);
    await connection.end();
    writeStanding(bed);
  } catch (error) {
    await bed.stop();
    throw error;
  }
  say(`up: ${bed.labels.join(', ')}; shop.orders has 200,000 rows, shop.customers 5,000`);
}
say('now: . .run/env; PATH="$PWD/bin:$PATH"');
