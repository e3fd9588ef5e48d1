/**
 * The shop: a realistic source for the demo, the pipeline tests and the benches. Rows are made inside the
 * server from MariaDB's sequence tables, so 200,000 of them take about a second and are the same each time.
 */

/** What runs SQL on the source. */
export type RunSql = (sql: string) => Promise<unknown>;

const ORDERS = `CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  customer_id INT UNSIGNED NOT NULL,
  status ENUM('new','paid','shipped','returned') NOT NULL DEFAULT 'new',
  currency CHAR(3) CHARACTER SET ascii NOT NULL,
  amount DECIMAL(12,2) NOT NULL,
  tax_rate DECIMAL(6,4) NULL,
  weight FLOAT NULL,
  is_gift TINYINT(1) NOT NULL DEFAULT 0,
  email VARCHAR(120) NOT NULL,
  note TEXT NULL,
  items JSON NULL,
  shipped_on DATE NULL,
  created_at DATETIME(6) NOT NULL,
  update_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  KEY idx_orders_update_id (update_at, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

const CUSTOMERS = `CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(80) NOT NULL,
  country CHAR(2) CHARACTER SET ascii NOT NULL,
  update_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  KEY idx_customers_update_id (update_at, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`;

/** Creates both tables in the current database. */
export async function createShop(run: RunSql): Promise<void> {
  await run(ORDERS);
  await run(CUSTOMERS);
}

/**
 * Adds orders `first` to `last`; four share one update time, and the groups lie `apart` seconds from each other, the
 * last at `until`. Rows for a second run must be stamped after the bound of the first: `apart` 0 and `NOW(6)`.
 */
export async function addOrders(
  run: RunSql,
  first: number,
  last: number,
  until = 'NOW(6) - INTERVAL 1 HOUR',
  apart = 1,
): Promise<void> {
  await run(`INSERT INTO orders
    SELECT seq, 1 + seq * 7919 % 5000,
      ELT(1 + seq % 4, 'new', 'paid', 'shipped', 'returned'),
      ELT(1 + seq % 3, 'EUR', 'USD', 'JPY'),
      (seq * 31 % 1000003) / 100,
      IF(seq % 5 = 0, NULL, 0.1900),
      IF(seq % 7 = 0, NULL, seq / 3),
      seq % 2,
      CONCAT('customer', seq * 7919 % 5000, '@example.com'),
      IF(seq % 3 = 0, NULL, CONCAT('order ', seq, ' – ', REPEAT('ünï ', seq % 6), CHAR(10), '"quoted", \\'and\\' ⛵')),
      IF(seq % 4 = 0, NULL, CONCAT('{"sku":"', seq % 997, '","n":', seq % 9, '}')),
      IF(seq % 6 = 0, NULL, DATE '2024-01-01' + INTERVAL seq % 700 DAY),
      ${until} - INTERVAL (${last} - seq) DIV 4 * ${apart} SECOND,
      ${until} - INTERVAL (${last} - seq) DIV 4 * ${apart} SECOND
    FROM seq_${first}_to_${last}`);
}

/** Adds customers `first` to `last`. */
export async function addCustomers(run: RunSql, first: number, last: number): Promise<void> {
  await run(`INSERT INTO customers
    SELECT seq, CONCAT('Customer № ', seq), ELT(1 + seq % 3, 'DE', 'FR', 'JP'), NOW(3) - INTERVAL 1 HOUR - INTERVAL (${last} - seq) SECOND
    FROM seq_${first}_to_${last}`);
}

/** Changes every `nth` order, as a shop does during an hour. */
export async function changeOrders(run: RunSql, nth: number, at = 'NOW(6)'): Promise<void> {
  await run(`UPDATE orders SET status = 'returned', amount = amount + 1, note = CONCAT(COALESCE(note, ''), ' changed'), update_at = ${at}
    WHERE id % ${nth} = 0`);
}
