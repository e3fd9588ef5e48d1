/** A warehouse that takes no changes (row 70). */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { shopRun } from '../pipe/shop-run.js';
import { equalTables } from '../support/oracle.js';
import { servers } from '../support/servers.js';
import { addOrders } from '../support/shop.js';

t.setTimeout(200_000);
const shop = await shopRun(1_000);
const role = `refused_${randomBytes(4).toString('hex')}`;
await shop.pg.query(`CREATE ROLE ${role} SUPERUSER LOGIN`);
t.teardown(async () => {
  await shop.pg.query(`DROP ROLE ${role}`);
  await shop.close();
});
const url = new URL(servers().warehouseUrl);
url.username = role;

t.test('read-only: 77, and the rows once it takes them', async (t) => {
  t.equal((await shop.run()).code, 0);
  await shop.pg.query(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
  await addOrders((sql) => shop.mysql.query(sql), 1_001, 1_500, 'NOW(6)', 0);
  await shop.settle();
  const refused = await shop.run({ 5: `TABLEPIPE_WAREHOUSE_URL=${url.href}` });
  t.equal(refused.stages.at(-1), 77, refused.stderr);
  t.match(refused.stderr, /25006.*Connect to the primary/s);
  t.match((await shop.pg.query(`SELECT count(*)::int AS n FROM ${shop.table}`)).rows, [{ n: 1_000 }]);
  const again = await shop.run();
  t.equal(again.code, 0, again.stderr);
  t.ok(equalTables(await shop.verdict()));
});
