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
import { clientRows } from '../support/mariadb-client.js';
import { pipeline } from '../support/pipeline.js';
import { servers } from '../support/servers.js';

/** How both sides are asked for a column, so that equal values give equal texts. */
interface Look {
  client: (column: string) => string;
  duck: (column: string) => string;
  /** What the client printed, in DuckDB's spelling. */
  same?: (text: string) => string;
}

const plain: Look = { client: (c) => c, duck: (c) => `CAST(${c} AS VARCHAR)` };
const number: Look = {
  client: (c) => `${c}+0e0`,
  duck: (c) => `CAST(${c} AS DOUBLE)`,
  same: (text) => String(Number(text)),
};
const bits: Look = { client: (c) => `${c}+0`, duck: (c) => `CAST(CAST(${c} AS HUGEINT) AS VARCHAR)` };
const year: Look = { client: (c) => `${c}+0`, duck: plain.duck };
const binary: Look = { client: (c) => `HEX(${c})`, duck: (c) => `hex(${c})` };
const text: Look = { client: (c) => `HEX(CONVERT(${c} USING utf8mb4))`, duck: (c) => `hex(encode(${c}))` };
const moment: Look = {
  client: (c) => c,
  duck: (c) => `CAST(epoch_us(${c}) AS VARCHAR)`,
  same: (shown) =>
    String(
      BigInt(Date.parse(`${shown.slice(0, 19).replace(' ', 'T')}Z`)) * 1000n + BigInt(shown.slice(20).padEnd(6, '0')),
    ),
};

const COLUMNS: readonly [type: string, look: Look, values: readonly string[]][] = [
  ['TINYINT', plain, ['-128', '127', '0']],
  ['TINYINT(1)', plain, ['-128', '2', '1']],
  ['TINYINT UNSIGNED', plain, ['0', '255']],
  ['SMALLINT', plain, ['-32768', '32767']],
  ['SMALLINT UNSIGNED', plain, ['65535', '0']],
  ['MEDIUMINT', plain, ['-8388608', '8388607']],
  ['MEDIUMINT UNSIGNED', plain, ['16777215']],
  ['INT', plain, ['-2147483648', '2147483647']],
  ['INT UNSIGNED', plain, ['4294967295', '0']],
  ['INT(10) ZEROFILL', { ...plain, client: (c) => `${c}+0` }, ['42', '4294967295']],
  ['BIGINT', plain, ['-9223372036854775808', '9223372036854775807', '9007199254740993', '-1']],
  ['BIGINT UNSIGNED', plain, ['18446744073709551615', '9223372036854775808', '0']],
  ['DECIMAL(5,0)', plain, ['-99999', '99999', '0']],
  ['DECIMAL(10,2)', plain, ['-12345678.90', '0.01', '-0.01', '99999999.99']],
  ['DECIMAL(19,4)', plain, ['-999999999999999.9999', '999999999999999.9999']],
  ['DECIMAL(38,10)', plain, ['-9999999999999999999999999999.9999999999', '0.0000000001']],
  ['DECIMAL(38,30)', plain, ['99999999.999999999999999999999999999999', '-1e-30']],
  ['DECIMAL(65,30)', plain, ['99999999999999999999999999999999999.999999999999999999999999999999', '-0.5']],
  ['FLOAT', number, ['16777216', '123456792', '0.1', '-3.40282346e38', '1.17549435e-38', '1e20']],
  ['FLOAT(7,3)', number, ['1.1', '-9999.999']],
  ['DOUBLE', number, ['0.1', '1.7976931348623157e308', '5e-324', '-2.2250738585072014e-308', '123456789012345680']],
  ['DOUBLE(20,3)', number, ['1.2345', '-99999999999999999.999']],
  ['BIT(1)', { ...bits, duck: (c) => `CAST(CAST(${c} AS INTEGER) AS VARCHAR)` }, ['0', '1']],
  ['BIT(12)', bits, ["b'100000000001'", '0']],
  ['BIT(63)', bits, ['9223372036854775807', '0']],
  ['BIT(64)', bits, ['18446744073709551615', '9223372036854775808']],
  ['YEAR', year, ['1901', '2155', '0']],
  ['DATE', plain, ["'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "'1969-12-31'", "'0001-01-01'"]],
  ['DATETIME', moment, ["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'1969-12-31 23:59:59'"]],
  ['DATETIME(3)', moment, ["'2024-02-29 23:59:59.999'", "'1582-10-10 12:00:00.001'"]],
  [
    'DATETIME(6)',
    moment,
    ["'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.999999'"],
  ],
  ['TIMESTAMP(6) NULL', moment, ["'1970-01-01 00:00:01.000000'", "'2038-01-19 03:14:07.999999'"]],
  ['TIME(6)', plain, ["'-838:59:59.999999'", "'838:59:59.999999'", "'-00:00:00.5'", "'00:00:00'"]],
  ['CHAR(5)', text, ["'a'", "''", "'ÄÖ'"]],
  ['VARCHAR(100)', text, ["'trailing  '", "''", "'tab\\tnewline\\n\\\\ \\' \\\" \\0'", "'⛵𝔘'"]],
  ['VARCHAR(20) CHARACTER SET latin1', text, ["'é€ÿ'"]],
  ['VARCHAR(20) CHARACTER SET utf16', text, ["'é€⛵'"]],
  ['VARCHAR(20) CHARACTER SET sjis', text, ["'日本'"]],
  ['VARCHAR(20) CHARACTER SET cp1251', text, ["'Привет'"]],
  ['TINYTEXT', text, ["REPEAT('x', 255)"]],
  ['TEXT', text, ["REPEAT('ä', 30000)", "'NULL'"]],
  ['LONGTEXT', text, ["REPEAT('long ', 400000)"]],
  ["ENUM('a','b''c','⛵')", text, ["'a'", "'b''c'", "'⛵'"]],
  ["SET('x','y','ü')", text, ["''", "'x,y,ü'"]],
  ['JSON', text, [`'{"b": 1.10, "a":[1,2 ,"ü"], "b": 2}'`]],
  ['UUID', text, ["'123e4567-e89b-12d3-a456-426655440000'"]],
  ['INET6', text, ["'::1'", "'2001:db8::ff00:42:8329'"]],
  ['BINARY(4)', binary, ["'ab'", "x'00ff00ff'"]],
  ['VARBINARY(300)', binary, ["''", "REPEAT(x'ff', 300)"]],
  ['BLOB', binary, ["REPEAT(x'00c3', 30000)"]],
  ['POINT', binary, ["ST_GeomFromText('POINT(1 2)', 4326)"]],
  ['GEOMETRY', binary, ["ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')"]],
  ['INT AS (id * 2) VIRTUAL', plain, []],
  ['VARCHAR(9) AS (CONCAT(id)) STORED INVISIBLE', text, []],
];

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
