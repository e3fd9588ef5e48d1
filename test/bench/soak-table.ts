/** The narrow, append-only table of the soak, made inside MariaDB, and a sum over all rows that both servers can compute. */
import type { Connection } from 'mysql2/promise';
import type { Client } from 'pg';

/** Bytes a row takes, measured at 20,000,000 rows, and rounded up: table, stored objects, loaded table and key. */
export const ROW_BYTES = { mysql: 60, s3: 25, warehouse: 120 };

const TABLE = `CREATE TABLE events (
  id BIGINT NOT NULL PRIMARY KEY,
  customer INT NOT NULL,
  amount DECIMAL(10,2) NOT NULL,
  happened_at DATETIME(6) NOT NULL
)`;

/** MyISAM is filled in half the time; the stages cannot tell. */
export const ENGINES = ['InnoDB', 'MyISAM'] as const;
export type Engine = (typeof ENGINES)[number];

/** What the servers write besides: the redo log of one, the write-ahead log of the other, what a sort puts aside. */
export const FIXED_BYTES = 4 * 2 ** 30;

/** Creates table `events` in the current database and fills it in the order of its key, which is the cursor. */
export async function createEvents(mysql: Connection, rows: number, engine: Engine): Promise<void> {
  await mysql.query(`${TABLE} ENGINE=${engine}`);
  // Into an empty table, without these checks, InnoDB builds the index at once and writes no undo.
  await mysql.query('SET SESSION unique_checks = 0, foreign_key_checks = 0');
  await mysql.query(`INSERT INTO events
    SELECT seq, seq * 7919 % 1000003, (seq * 31 % 10000019) / 100, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq * 503 MICROSECOND
    FROM seq_1_to_${rows}`);
}

export interface Sum {
  rows: string;
  /** Of a number made from all columns of a row, modulo a prime. */
  sum: string;
}

const mixed = (cents: string, micros: string): string =>
  `(id % 1000003 * (customer + 7) + ${cents} * 1009 + ${micros} % 1000003 * (customer % 1009 + 11)) % 1000000007`;

export async function sourceSum(mysql: Connection): Promise<Sum> {
  const row = mixed('CAST(amount * 100 AS SIGNED)', "TIMESTAMPDIFF(MICROSECOND, '2024-01-01', happened_at)");
  const [rows] = await mysql.query(
    `SELECT CAST(COUNT(*) AS CHAR) AS \`rows\`, CAST(SUM(${row}) AS CHAR) AS sum FROM events FORCE INDEX (PRIMARY)`,
  );
  return (rows as Sum[])[0] as Sum;
}

/** Of a table that a failed line has not made: no rows. */
export async function targetSum(pg: Client, schema: string): Promise<Sum> {
  const made = await pg.query<{ table: string | null }>('SELECT to_regclass($1) AS table', [`"${schema}".events`]);
  if (made.rows[0]?.table === null) return { rows: '0', sum: '0' };
  const row = mixed(
    '(amount * 100)::bigint',
    "(extract(epoch FROM happened_at - '2024-01-01'::timestamp) * 1000000)::bigint",
  );
  const { rows } = await pg.query<Sum>(
    `SELECT count(*)::text AS rows, sum(${row})::text AS sum FROM "${schema}".events`,
  );
  return rows[0] as Sum;
}

/** What the row took on disk, for {@link ROW_BYTES}. */
export async function bytesOf(
  mysql: Connection,
  pg: Client,
  schema: string,
): Promise<{ mysql: number; warehouse: number }> {
  const [tables] = await mysql.query(
    'SELECT data_length + index_length AS bytes FROM information_schema.tables WHERE table_schema = DATABASE()',
  );
  const { rows } = await pg.query<{ bytes: string }>(
    'SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0) AS bytes',
    [`"${schema}".events`],
  );
  return { mysql: Number((tables as { bytes: number }[])[0]?.bytes), warehouse: Number(rows[0]?.bytes) };
}
