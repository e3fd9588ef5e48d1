/**
 * Every type at its edges, through the real programs into Parquet, read by DuckDB and compared with what the
 * `mariadb` client prints.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { createConnection } from 'mysql2/promise';
import t from 'tap';
import { COLUMNS } from '../fixture/type-edges.js';
import { clientRows } from '../support/mariadb-client.js';
import { pipeline } from '../support/pipeline.js';
import { servers } from '../support/servers.js';

const database = `types_${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), 'tablepipe-types-'));
const source = await createConnection({ uri: servers().mysqlUrl });
t.teardown(async () => {
  await source.query(`DROP DATABASE IF EXISTS ${database}`);
  await source.end();
  rmSync(folder, { recursive: true });
});

t.test('every type at its edges arrives in Parquet as the client prints it', async (t) => {
  const rows = Math.max(...COLUMNS.map(([, , values]) => values.length)) + 1;
  await source.query("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', NAMES utf8mb4");
  await source.query(`CREATE DATABASE ${database}`);
  await source.query(
    `CREATE TABLE ${database}.edges (id INT PRIMARY KEY, ${COLUMNS.map(([type], at) => `c${at} ${type}`).join(', ')})`,
  );
  const stored = COLUMNS.map((column, at) => [at, column] as const).filter(([, [, , values]]) => values.length > 0);
  for (let row = 0; row < rows; row += 1) {
    const values = stored.map(([, [, , each]]) => each[row] ?? 'NULL');
    await source.query(
      `INSERT INTO ${database}.edges (id, ${stored.map(([at]) => `c${at}`).join(', ')}) VALUES (${row}, ${values.join(', ')})`,
    );
  }
  const file = join(folder, 'edges.parquet');
  const env = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl };
  const ended = await pipeline(`mysql-extract ${database}.edges --cursor none | to-parquet --target any -o ${file}`, {
    env,
  });
  t.same([ended.code, ended.stages], [0, [0, 0]], ended.stderr);

  const looks = COLUMNS.map(([, look], at) => [look, `c${at}`] as const);
  const printed = await clientRows(
    `SELECT ${looks.map(([look, c]) => look.client(c)).join(', ')} FROM ${database}.edges ORDER BY id`,
  );
  const duck = await (await DuckDBInstance.create()).connect();
  const read = await duck.runAndReadAll(
    `SELECT ${looks.map(([look, c]) => look.duck(c)).join(', ')} FROM '${file}' ORDER BY id`,
  );
  const found = read.getRows();
  t.equal(found.length, rows);
  COLUMNS.forEach(([type, { same = (shown: string) => shown }], column) => {
    const expected = printed.map((row) => (row[column] === 'NULL' ? null : same(row[column] ?? '')));
    const got = found.map((row) => (row[column] === null ? null : String(row[column] as string | number)));
    t.same(got, expected, type);
  });

  const objects = await parquetReadObjects({ file: new Uint8Array(readFileSync(file)).buffer, compressors });
  const bigint = COLUMNS.findIndex(([type]) => type === 'BIGINT');
  t.same(
    objects.map((row) => row[`c${bigint}`] as bigint | null)?.map((value) => (value == null ? null : String(value))),
    printed.map((row) => (row[bigint] === 'NULL' ? null : row[bigint])),
    'a second reader',
  );
});
