/** rs-copy over connections that fall silent at every place, with a way around it and without one. */
import t from 'tap';
import { receiptStream } from '../load/objects.js';
import { orders } from '../load/rows.js';
import { jsonLines } from '../support/json-lines.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { scratchSchema } from '../support/scratch-schema.js';
import { redshiftScene } from './redshift-scene.js';
import { POSTGRES_PLACES, REDSHIFT_PLACES, silencedAt } from './silence.js';

t.setTimeout(600_000);
const { schema, folder, sql } = await scratchSchema(t, 'silence');

t.test('PostgreSQL', (t) => silencedAt(t, { sql, folder, schema }, POSTGRES_PLACES));

t.test('the double of Redshift', async (t) => silencedAt(t, await redshiftScene(t, folder), REDSHIFT_PLACES));

t.test('a merge on the double that waits for longer than any limit is left alone', async (t) => {
  const { cluster, other } = await redshiftScene(t, folder);
  const env = { ...other.env, TABLEPIPE_WAREHOUSE_URL: other.url };
  const words = ['killed.held', '--create', '--idle-timeout', '1s', '--lock-timeout', '1s'];
  const load = async (name: string): Promise<Ended> => {
    const receipt = await other.publish(orders(folder, [[1, name, 1]], 0, { to: [name] }));
    return run('rs-copy', words, { env, stdin: receiptStream([receipt]) });
  };
  demandCode(await load('before'));
  await cluster.sql('BEGIN');
  await cluster.sql("UPDATE killed.held SET name = 'rival' WHERE id = 1");
  const loading = load('after');
  // Twice the six seconds after which the double is asked.
  await new Promise((resolve) => setTimeout(resolve, 15_000));
  const asked = cluster.double.log().filter(({ text }) => text.includes('sys_query_history')).length;
  await cluster.sql('ROLLBACK');
  t.match(jsonLines(demandCode(await loading).stdout), [{ status: 'loaded', attempts: 1 }, { type: 'end' }]);
  t.ok(asked >= 1, `asked ${asked} times`);
});
