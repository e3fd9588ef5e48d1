/** JSON of more than 65,535 bytes, from MySQL into SUPER: bare bytes in Parquet, VARBYTE in staging, JSON_PARSE. */
import { createConnection } from 'mysql2/promise';
import t from 'tap';
import { ROLE, startCluster } from '../redshift-double/cluster.js';
import { demandStatus, type PipelineEnd, pipeline } from '../support/pipeline.js';
import { connectTarget, servers } from '../support/servers.js';

t.setTimeout(180_000);
const database = `super_rs_${process.pid}`;
const cluster = await startCluster(t);
const source = await createConnection({ uri: servers().mysqlUrl });
const target = await connectTarget();
t.teardown(async () => {
  await source.query(`DROP DATABASE IF EXISTS ${database}`);
  await target.query(`DROP SCHEMA IF EXISTS ${database} CASCADE`);
  await source.end();
  await target.end();
});
await source.query(`CREATE DATABASE ${database}`);
await source.query(`CREATE TABLE ${database}.docs (id INT PRIMARY KEY, doc JSON, words LONGTEXT)`);
/** 300,000 bytes, of strings of twelve. */
const long = JSON.stringify({ list: Array.from({ length: 20_000 }, (_, i) => `member ${i % 99_999}`), ü: '\\"' });
const insert = `INSERT INTO ${database}.docs VALUES (?, ?, ?)`;
await source.query(insert, [1, long, '{"a": 1}']);
await source.query(insert, [2, '{"short": [1, 2.5, null]}', null]);
await source.query(insert, [3, null, '[]']);

const env = {
  ...servers().aws,
  TABLEPIPE_MYSQL_URL: servers().mysqlUrl,
  TABLEPIPE_WAREHOUSE_URL: `${cluster.double.url.replace('postgres:', 'redshift:')}?sslmode=disable`,
  TABLEPIPE_IAM_ROLE: ROLE,
};
const line = (words: string, more = '', into = 'docs'): Promise<PipelineEnd> =>
  pipeline(
    `mysql-extract ${database}.docs --cursor none | to-parquet ${words} | s3-put ${cluster.url(`${into}/`)} | rs-copy ${database}.${into} --create --manifest-prefix ${cluster.url('manifests/')} ${more}`,
    { env },
  );

/** What to-parquet, the second stage, says when it refuses the rows. */
async function refusal(words: string, into: string): Promise<string> {
  const { stages, stderr } = await line(words, '', into);
  if (stages[1] !== 65) throw new Error(`to-parquet ${words} ended with ${stages[1]}: ${stderr}`);
  return stderr;
}

t.test('with --super a document of any loadable length arrives as what it is', async (t) => {
  t.ok(long.length > 65_535 * 4);
  demandStatus(await line('--super doc --super words', '--cast words=SUPER'));
  const documents = await cluster.sql(`SELECT doc, words FROM ${database}.docs ORDER BY id`);
  const [first, second, third] = documents.map((row) => row.map((text) => text && (JSON.parse(text) as unknown)));
  t.same(first, [JSON.parse(long), { a: 1 }]);
  t.same(second, [{ short: [1, 2.5, null] }, null]);
  t.same(third, [null, []]);
  const types = await cluster.sql(
    `SELECT data_type FROM svv_all_columns WHERE schema_name = '${database}' AND table_name = 'docs' ORDER BY ordinal_position`,
  );
  t.same(types, [['integer'], ['super'], ['super']], 'JSON by itself, text because of --cast');
});

t.test('the same file goes into PostgreSQL as jsonb', async (t) => {
  const words = `mysql-extract ${database}.docs --cursor none | to-parquet --super doc | s3-put ${cluster.url('pg/')} | rs-copy ${database}.docs --create`;
  demandStatus(await pipeline(words, { env: { ...env, TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl } }));
  const { rows } = await target.query<{ doc: unknown; type: string }>(
    `SELECT doc, pg_typeof(doc)::text AS type FROM ${database}.docs WHERE id = 1`,
  );
  t.same(rows, [{ doc: JSON.parse(long), type: 'jsonb' }]);
});

t.test('without it such a document is refused before anything is uploaded, and the cure is named', async (t) => {
  const stderr = await refusal('', 'refused');
  t.match(stderr, /doc of the row id = 1 has \d+ bytes, at most 65535 are possible/);
  t.match(stderr, /Write the documents for SUPER with --super doc/);
});

t.test('what SUPER does not hold is refused as early: a long string inside, half a document', async (t) => {
  await source.query(`UPDATE ${database}.docs SET doc = ? WHERE id = 2`, [JSON.stringify({ a: 'é'.repeat(32_768) })]);
  const stderr = await refusal('--super doc', 'strings');
  t.match(stderr, /doc of the row id = 2 holds a string of 65536 bytes, at most 65535 are possible/);
  t.match(await refusal('--super doc --on-oversize truncate', 'cut'), /Half a document is none/);
  demandStatus(await line('--super doc --on-oversize null', '', 'nulled'));
  t.same(await cluster.sql(`SELECT doc FROM ${database}.nulled WHERE id = 2`), [[null]]);
});

t.test('text that is no JSON: JSON_PARSE says so, nothing is loaded, nothing of it is shown', async (t) => {
  await source.query(`UPDATE ${database}.docs SET doc = NULL, words = '{"secret": oops' WHERE id = 3`);
  const { stderr } = demandStatus(
    await line('--super words --on-oversize null --super doc', '--cast words=SUPER', 'broken'),
    65,
  );
  t.match(stderr, /JSON_PARSE/);
  t.notMatch(stderr, /secret|oops/);
});
