/** Parquet files of orders in S3, with the receipts that speak of them: what rs-copy is given to load. */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Receipt } from '../../src/receipt.js';
import { receiptLine } from '../../src/receipt.js';
import type { Cluster } from '../redshift-double/cluster.js';
import { decimal, type FixtureColumn, parquetFixture, SHAPE } from '../redshift-double/parquet-fixture.js';

export interface Order {
  id: number;
  note: string | null;
  /** Microseconds since 1970. */
  at: number;
  /** Hundredths. */
  amount?: number;
}

/** The columns of orders as to-parquet writes them for Redshift. */
export function orderColumns(orders: readonly Order[]): FixtureColumn[] {
  return [
    { name: 'id', ...SHAPE.int64, required: true, values: orders.map(({ id }) => BigInt(id)) },
    { name: 'note', ...SHAPE.text, values: orders.map(({ note }) => note) },
    { name: 'amount', ...decimal(12, 2, 'INT64'), values: orders.map(({ amount = 100 }) => BigInt(amount)) },
    { name: 'update_at', ...SHAPE.timestamp, values: orders.map(({ at }) => BigInt(at)) },
  ];
}

export interface StoreOptions {
  read?: Receipt['read'];
  columns?: readonly FixtureColumn[];
  primaryKey?: readonly string[];
  cursor?: readonly string[];
}

/** Puts files of orders, one a list, and returns their receipts, numbered from 0. */
export async function storeOrders(
  cluster: Cluster,
  lists: readonly (readonly Order[])[],
  options: StoreOptions = {},
): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  for (const [seq, orders] of lists.entries()) {
    const columns = options.columns ?? orderColumns(orders);
    const bytes = parquetFixture(columns);
    const url = await cluster.put(`orders/${randomBytes(6).toString('hex')}.parquet`, bytes);
    receipts.push({
      type: 'object',
      v: 1,
      run_id: 'test',
      seq,
      table: 'shop.orders',
      url,
      bytes: bytes.length,
      rows: columns[0]?.values.length ?? 0,
      etag: '',
      crc32: crc32(bytes).toString(16).padStart(8, '0'),
      schema_id: columns.map(({ name }) => name).join(),
      read: options.read ?? 'incremental',
      primary_key: options.primaryKey ?? ['id'],
      cursor_columns: options.cursor ?? ['update_at', 'id'],
      from: null,
      to: null,
      write_id: randomBytes(8).toString('hex'),
    });
  }
  return receipts;
}

/** The receipts as a stream, with its end line. */
export function receiptStream(receipts: readonly Receipt[]): string {
  const numbered = receipts.map((receipt, seq) => ({ ...receipt, seq }));
  const sum = (of: (receipt: Receipt) => number): number => receipts.reduce((total, one) => total + of(one), 0);
  const end = {
    type: 'end',
    status: 'complete',
    run_id: 'test',
    table: 'shop.orders',
    objects: receipts.length,
    rows: sum(({ rows }) => rows ?? 0),
    bytes: sum(({ bytes }) => bytes),
    code: 0,
  } as const;
  return [...numbered, end].map(receiptLine).join('');
}
