/** A table of types at their edges, read through the programs into Parquet and compared with what its server says. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { Connection } from 'mysql2/promise';
import type { Test } from 'tap';
import type { COLUMNS } from '../fixture/type-edges.js';
import { pipeline } from '../support/pipeline.js';

export interface Comparison {
  source: Connection;
  /** Of the same server. */
  url: string;
  columns: typeof COLUMNS;
  /** The rows of a query as the server prints them; `NULL` for a null. */
  printed: (sql: string) => Promise<string[][]>;
}

/** Makes the table, reads it, compares every value, and drops it. */
export async function compareEdges(test: Test, { source, url, columns, printed }: Comparison): Promise<void> {
  const database = `types_${process.pid}`;
  const folder = mkdtempSync(join(tmpdir(), 'tablepipe-types-'));
  test.teardown(async () => {
    await source.query(`DROP DATABASE IF EXISTS ${database}`);
    rmSync(folder, { recursive: true });
  });
  const rows = Math.max(...columns.map(([, , values]) => values.length)) + 1;
  await source.query("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES', NAMES utf8mb4");
  await source.query(`CREATE DATABASE ${database}`);
  await source.query(
    `CREATE TABLE ${database}.edges (id INT PRIMARY KEY, ${columns.map(([type], at) => `c${at} ${type}`).join(', ')})`,
  );
  const stored = columns.map((column, at) => [at, column] as const).filter(([, [, , values]]) => values.length > 0);
  for (let row = 0; row < rows; row += 1) {
    const values = stored.map(([, [, , each]]) => each[row] ?? 'NULL');
    await source.query(
      `INSERT INTO ${database}.edges (id, ${stored.map(([at]) => `c${at}`).join(', ')}) VALUES (${row}, ${values.join(', ')})`,
    );
  }
  const file = join(folder, 'edges.parquet');
  const env = { TABLEPIPE_MYSQL_URL: url };
  const ended = await pipeline(`mysql-extract ${database}.edges --cursor none | to-parquet --target any -o ${file}`, {
    env,
  });
  test.same([ended.code, ended.stages], [0, [0, 0]], ended.stderr);

  const looks = columns.map(([, look], at) => [look, `c${at}`] as const);
  const expectedRows = await printed(
    `SELECT ${looks.map(([look, c]) => look.client(c)).join(', ')} FROM ${database}.edges ORDER BY id`,
  );
  const duck = await (await DuckDBInstance.create()).connect();
  const read = await duck.runAndReadAll(
    `SELECT ${looks.map(([look, c]) => look.duck(c)).join(', ')} FROM '${file}' ORDER BY id`,
  );
  const found = read.getRows();
  test.equal(found.length, rows);
  columns.forEach(([type, { same = (shown: string) => shown }], column) => {
    const expected = expectedRows.map((row) => (row[column] === 'NULL' ? null : same(row[column] ?? '')));
    const got = found.map((row) => (row[column] === null ? null : String(row[column] as string | number)));
    test.same(got, expected, type);
  });

  const objects = await parquetReadObjects({ file: new Uint8Array(readFileSync(file)).buffer, compressors });
  const bigint = columns.findIndex(([type]) => type === 'BIGINT');
  test.same(
    objects.map((row) => row[`c${bigint}`] as bigint | null)?.map((value) => (value == null ? null : String(value))),
    expectedRows.map((row) => (row[bigint] === 'NULL' ? null : row[bigint])),
    'a second reader',
  );
}
