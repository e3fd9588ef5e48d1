/** The tables of the extract bench, made inside the server: 13 mixed columns, 3 narrow ones, 60 wide ones with text. */

/** What runs SQL on the source. */
export type RunSql = (sql: string) => Promise<unknown>;

export const TABLES = ['mixed', 'narrow', 'wide'] as const;
export type BenchTable = (typeof TABLES)[number];

/** Makes a table of `rows` rows unless it is there; MariaDB's sequence tables count for us. */
export async function createBenchTable(run: RunSql, table: BenchTable, rows: number): Promise<string> {
  const name = `${table}_${rows}`;
  await run(`CREATE TABLE IF NOT EXISTS ${name} (${COLUMNS[table]}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`);
  if (table === 'mixed') await run(`CREATE INDEX IF NOT EXISTS cursor_order ON ${name} (update_at, id)`);
  const present = (await run(`SELECT COUNT(*) AS n FROM (SELECT 1 FROM ${name} LIMIT 1) AS one`)) as { n: number }[];
  if (Number(present[0]?.n) > 0) return name;
  for (let first = 1; first <= rows; first += 500_000) {
    const last = Math.min(rows, first + 499_999);
    await run(`INSERT INTO ${name} SELECT ${VALUES[table]} FROM seq_${first}_to_${last}`);
  }
  return name;
}

const wide = Array.from({ length: 59 }, (_, index) => index + 1);

const COLUMNS: Record<BenchTable, string> = {
  mixed: `id BIGINT NOT NULL PRIMARY KEY, customer BIGINT NOT NULL, status VARCHAR(20) NOT NULL, email VARCHAR(120) NOT NULL,
    city VARCHAR(60), note VARCHAR(200), amount DECIMAL(12,2) NOT NULL, tax DECIMAL(8,4), born DATE,
    created DATETIME NOT NULL, update_at DATETIME(6) NOT NULL, quantity INT NOT NULL, token CHAR(32) NOT NULL,
    KEY cursor_order (update_at, id)`,
  narrow: 'id BIGINT NOT NULL PRIMARY KEY, parent INT NOT NULL, update_at DATETIME NOT NULL',
  wide: `id BIGINT NOT NULL PRIMARY KEY, ${wide.map((n) => `c${n} ${['INT', 'VARCHAR(60)', 'DATETIME', 'TEXT', 'DECIMAL(14,4)', 'VARCHAR(20)'][n % 6]}`).join(', ')}`,
};

const VALUES: Record<BenchTable, string> = {
  mixed: `seq, seq * 7919 % 1000003, ELT(1 + seq % 4, 'new', 'paid', 'shipped', 'returned'), CONCAT('customer', seq % 50021, '@example.com'),
    IF(seq % 11 = 0, NULL, ELT(1 + seq % 5, 'Zürich', 'Berlin', 'Osaka', 'São Paulo', 'Lagos')), IF(seq % 3 = 0, NULL, CONCAT('note on order ', seq)),
    (seq * 31 % 10000019) / 100, IF(seq % 5 = 0, NULL, 0.1900), DATE '1970-01-01' + INTERVAL seq % 18000 DAY,
    TIMESTAMP '2020-01-01 00:00:00' + INTERVAL seq SECOND, TIMESTAMP '2024-01-01 00:00:00' + INTERVAL seq * 1013 MICROSECOND, seq % 500, MD5(seq)`,
  narrow: "seq, seq % 100003, TIMESTAMP '2020-01-01 00:00:00' + INTERVAL seq SECOND",
  wide: `seq, ${wide.map((n) => `${['seq % 100000', "CONCAT('value ', seq % 977)", "TIMESTAMP '2020-01-01 00:00:00' + INTERVAL seq SECOND", `CONCAT('text ', seq, REPEAT(' lorem', ${1 + (n % 4)}))`, 'seq / 16', `IF(seq % ${n + 1} = 0, NULL, 'constant')`][n % 6]}`).join(', ')}`,
};
