/** The line of the README on real servers: complete and typed the first time, only what changed the second. */
import t from 'tap';
import { equalTables } from '../support/oracle.js';
import { demandStatus } from '../support/pipeline.js';
import { demandCode, run } from '../support/program.js';
import { addOrders, changeOrders } from '../support/shop.js';
import { shopRun } from './shop-run.js';
import { jsonLines } from '../support/json-lines.js';

/** Rows of the load results on stdout. */
function loadedRows(stdout: string): number {
  const lines = jsonLines<{ type: string; rows?: number }>(stdout);
  return lines.filter(({ type }) => type === 'load').reduce((sum, { rows = 0 }) => sum + rows, 0);
}

t.test('a table arrives whole; the same line again moves only what changed', async (t) => {
  const shop = await shopRun(20_000);
  t.teardown(() => shop.close());
  const first = demandStatus(await shop.run());
  t.strictSame(first.stages, [0, 0, 0, 0, 0]);
  t.equal(loadedRows(first.stdout), 20_000);
  const verdict = await shop.verdict();
  t.ok(equalTables(verdict), JSON.stringify(verdict));

  await changeOrders((sql) => shop.mysql.query(sql), 40);
  await addOrders((sql) => shop.mysql.query(sql), 20_001, 21_000, 'NOW(6)', 0);
  await shop.settle();
  const second = demandStatus(await shop.run());
  t.equal(loadedRows(second.stdout), 1_500, 'five hundred changed and a thousand new');
  const after = await shop.verdict();
  t.ok(equalTables(after), JSON.stringify(after));

  const third = demandStatus(await shop.run());
  t.equal(loadedRows(third.stdout), 0, 'nothing changed, nothing moved');

  const document = JSON.parse(
    demandCode(await run('wm', ['get', shop.table, '--json'], { env: shop.env })).stdout.toString(),
  ) as Record<string, unknown>;
  t.match(document, { mysql_status: 'success', redshift_status: 'success', pending_files: 0 });
});

t.test('every column has the type the plan says', async (t) => {
  const shop = await shopRun(100);
  t.teardown(() => shop.close());
  demandStatus(await shop.run());
  const { rows } = await shop.pg.query<{ name: string; type: string }>(
    `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a
     WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [shop.table],
  );
  t.strictSame(Object.fromEntries(rows.map(({ name, type }) => [name, type])), {
    id: 'numeric(20,0)',
    customer_id: 'bigint',
    status: 'text',
    currency: 'character varying(3)',
    amount: 'numeric(12,2)',
    tax_rate: 'numeric(6,4)',
    weight: 'real',
    is_gift: 'smallint',
    email: 'character varying(120)',
    note: 'text',
    items: 'jsonb',
    shipped_on: 'date',
    created_at: 'timestamp without time zone',
    update_at: 'timestamp with time zone',
  });
});
