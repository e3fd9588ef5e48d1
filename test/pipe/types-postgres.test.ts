/**
 * Every type at its edges, through the real programs into a table that rs-copy makes in PostgreSQL, compared value by
 * value with what the `mariadb` client prints; then once more through the merge, which must find every value the same.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createEdges, sortedDocument } from '../fixture/edges-table.js';
import { COLUMNS } from '../fixture/type-edges.js';
import { clientRows } from '../support/mariadb-client.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { connectSource, connectTarget, servers } from '../support/servers.js';

t.setTimeout(300_000);
const name = `types_pg_${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'types-pg-'));
const source = await connectSource();
const sql = await connectTarget();
t.teardown(async () => {
  await source.query(`DROP DATABASE IF EXISTS ${name}`);
  await sql.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
  await source.end();
  await sql.end();
  rmSync(folder, { recursive: true });
});

/** How PostgreSQL is asked, where its own types need other words than those of Redshift. */
const ASKED: Readonly<Record<string, (column: string) => string>> = {
  // As text an inet has the length of its network.
  INET6: (c) => `upper(encode(convert_to(host(${c}), 'UTF8'), 'hex'))`,
};

t.test('every type at its edges arrives in the table as the client prints it', async (t) => {
  // NUL characters are the one thing text in PostgreSQL does not hold; --nul has tests of its own.
  const rows = await createEdges(source, name, (_, value) => !value.includes("\\0'"));
  const env = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl };
  const line = `mysql-extract ${name}.edges --cursor none | to-parquet --target any --split-rows 3 | s3-put file://${folder}/`;
  demandStatus(
    await pipeline(`${line} > ${folder}/receipts && rs-copy ${name}.edges --create < ${folder}/receipts`, { env }),
  );

  const printed = await clientRows(
    `SELECT ${COLUMNS.map(([, look], at) => look.client(`c${at}`)).join(', ')} FROM ${name}.edges ORDER BY id`,
  );
  await sql.query("SET TimeZone = 'UTC'");
  const asked = COLUMNS.map(([type, look], at) => (ASKED[type] ?? look.postgres)(`c${at}`));
  const { rows: found } = await sql.query<unknown[]>({
    text: `SELECT ${asked.join(', ')} FROM ${name}.edges ORDER BY id`,
    rowMode: 'array',
  });
  t.equal(found.length, rows);
  COLUMNS.forEach(([type, { same = (shown: string) => shown }], column) => {
    const expected = printed.map((row) => (row[column] === 'NULL' ? null : same(row[column] ?? '')));
    const got = found.map((row) => (row[column] === null ? null : String(row[column] as string | number)));
    const json = type === 'JSON';
    t.same(json ? got.map(sortedDocument) : got, json ? expected.map(sortedDocument) : expected, type);
  });

  const again = await pipeline(`rs-copy ${name}.edges --ledger ${name}.other < ${folder}/receipts`, { env });
  t.match(demandStatus(again).stdout.toString(), `"rows":${rows}`, 'staged');
  t.match(again.stdout.toString(), '"merged":0', 'and merged: every value is the one that is there');
});
