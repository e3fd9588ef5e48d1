/**
 * Every type at its edges, through the real programs and COPY into the double of Redshift, compared value by value
 * with what the `mariadb` client prints.
 */
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import t from 'tap';
import { createEdges, sortedDocument } from '../fixture/edges-table.js';
import { COLUMNS, fitsRedshift } from '../fixture/type-edges.js';
import { ROLE, startCluster } from '../redshift-double/cluster.js';
import { clientRows } from '../support/mariadb-client.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { servers } from '../support/servers.js';

t.setTimeout(180_000);
const database = `types_rs_${process.pid}`;
const cluster = await startCluster(t);
const source = await createConnection({ uri: servers().mysqlUrl });
t.teardown(async () => {
  await source.query(`DROP DATABASE IF EXISTS ${database}`);
  await source.end();
});

t.test('every type at its edges arrives in the table as the client prints it', async (t) => {
  const rows = await createEdges(source, database, fitsRedshift);
  const env = {
    ...servers().aws,
    TABLEPIPE_MYSQL_URL: servers().mysqlUrl,
    TABLEPIPE_WAREHOUSE_URL: `${cluster.double.url.replace('postgres:', 'redshift:')}?sslmode=disable`,
    TABLEPIPE_IAM_ROLE: ROLE,
  };
  const line = `mysql-extract ${database}.edges --cursor none | to-parquet --split-rows 3 | s3-put ${cluster.url('edges/')} | rs-copy types.edges --create --manifest-prefix ${cluster.url('manifests/')}`;
  demandStatus(await pipeline(line, { env }));

  const printed = await clientRows(
    `SELECT ${COLUMNS.map(([, look], at) => look.client(`c${at}`)).join(', ')} FROM ${database}.edges ORDER BY id`,
  );
  // Past the double: its own SELECT has no functions for this.
  const behind = new pg.Client({ connectionString: cluster.behind });
  await behind.connect();
  t.teardown(() => behind.end());
  await behind.query("SET TimeZone = 'UTC'");
  const { rows: found } = await behind.query<unknown[]>({
    text: `SELECT ${COLUMNS.map(([, look], at) => look.postgres(`c${at}`)).join(', ')} FROM types.edges ORDER BY id`,
    rowMode: 'array',
  });
  t.equal(found.length, rows);
  COLUMNS.forEach(([type, { same = (shown: string) => shown }], column) => {
    const json = type === 'JSON';
    const expected = printed.map((row) => (row[column] === 'NULL' ? null : same(row[column] ?? '')));
    const got = found.map((row) => (row[column] === null ? null : String(row[column] as string | number)));
    t.same(json ? got.map(sortedDocument) : got, json ? expected.map(sortedDocument) : expected, type);
  });
  const json = COLUMNS.findIndex(([type]) => type === 'JSON');
  const type = await cluster.value(`SELECT data_type FROM svv_all_columns WHERE column_name = 'c${json}'`);
  t.equal(type, 'super', 'documents are documents');
});
