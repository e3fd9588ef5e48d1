/** Every example runs as it stands. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { equalTables } from '../support/oracle.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { servers } from '../support/servers.js';
import { shopRun } from './shop-run.js';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));

t.test('one-table.sh moves a table', async (t) => {
  const shop = await shopRun(3_000);
  t.teardown(() => shop.close());
  const env = { ...shop.env, TABLEPIPE_BUCKET: servers().bucket };
  demandStatus(await pipeline(`${examples}one-table.sh ${shop.table} ${shop.table}`, { env }));
  const verdict = await shop.verdict();
  t.ok(equalTables(verdict), JSON.stringify(verdict));
});

t.test('the Makefile loads each table once an hour, and a killed run goes on', async (t) => {
  const shop = await shopRun(3_000);
  const folder = await mkdtemp(join(tmpdir(), 'tablepipe-make-'));
  t.teardown(async () => {
    await rm(folder, { recursive: true });
    await shop.close();
  });
  const [schema] = shop.table.split('.');
  const env = { ...shop.env, TABLEPIPE_BUCKET: servers().bucket };
  const line = `make -j4 -f ${examples}Makefile TABLES=${shop.table} SCHEMA=${schema} RUN=run/hour`;
  const cut = await pipeline(`TABLEPIPE_UNSAFE_FAILPOINTS=s3-put.before-receipt=kill ${line}`, { env, cwd: folder });
  t.not(cut.code, 0);
  demandStatus(await pipeline(line, { env, cwd: folder }));
  const verdict = await shop.verdict();
  t.ok(equalTables(verdict), JSON.stringify(verdict));
  const again = demandStatus(await pipeline(line, { env, cwd: folder }));
  t.match(again.stdout, /Nothing to be done|up to date/);
});

t.test('debug-one-stage.sh shows every stage on its own and touches no real run', async (t) => {
  const shop = await shopRun(3_000);
  const folder = await mkdtemp(join(tmpdir(), 'tablepipe-debug-'));
  t.teardown(async () => {
    await rm(folder, { recursive: true });
    await shop.close();
  });
  const { stdout } = demandStatus(
    await pipeline(`${examples}debug-one-stage.sh ${shop.table} ${folder}`, { env: shop.env }),
  );
  t.match(stdout, /"id":"1",/);
  t.match(stdout, /CREATE TABLE/);
  const untouched = demandStatus(await pipeline(`wm get ${shop.table} --format cursor`, { env: shop.env }));
  t.match(untouched.stdout, /start|null/);
});
