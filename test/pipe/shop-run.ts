/** A shop of its own for a test: source database, target schema, prefix and watermark store, and the line that moves it. */
import { randomBytes } from 'node:crypto';
import type { Connection } from 'mysql2/promise';
import type { Client } from 'pg';
import { type Verdict, compareTables } from '../support/oracle.js';
import { type PipelineEnd, pipeline } from '../support/pipeline.js';
import { connectSource, connectTarget, servers } from '../support/servers.js';
import { addOrders, createShop } from '../support/shop.js';

export interface ShopRun {
  /** `database.orders`. */
  table: string;
  env: Record<string, string>;
  mysql: Connection;
  pg: Client;
  /** The line of the README; `faults` puts an environment before a stage, by its number from 1. */
  line(faults?: Readonly<Record<number, string>>): string;
  run(faults?: Readonly<Record<number, string>>): Promise<PipelineEnd>;
  /** Resolves when what was just written lies before the bound of a new run: 2 s behind the server's clock. */
  settle(): Promise<void>;
  verdict(): Promise<Verdict>;
  close(): Promise<void>;
}

/** @param rows orders to begin with, all older than an hour */
export async function shopRun(rows: number, splitRows = 5_000): Promise<ShopRun> {
  const id = `t${randomBytes(5).toString('hex')}`;
  const root = await connectSource();
  await root.query(`CREATE DATABASE ${id}`);
  await root.end();
  const mysql = await connectSource(id);
  await createShop((sql) => mysql.query(sql));
  await addOrders((sql) => mysql.query(sql), 1, rows);
  const pg = await connectTarget();
  await pg.query(`CREATE SCHEMA ${id}`);
  const { mysqlUrl, warehouseUrl, bucket, aws } = servers();
  const table = `${id}.orders`;
  const env = {
    ...aws,
    TABLEPIPE_MYSQL_URL: mysqlUrl,
    TABLEPIPE_WAREHOUSE_URL: warehouseUrl,
    TABLEPIPE_WM_STORE: `s3://${bucket}/${id}/watermarks/`,
  };
  const stages = [
    `mysql-extract ${table} --since "$(wm get ${table} --format cursor)" --batch-size 1000`,
    `to-parquet --split-rows ${splitRows}`,
    `s3-put s3://${bucket}/${id}/incremental/`,
    `wm advance ${table} --flush-interval 200ms`,
    `rs-copy ${id}.orders --from-store ${table} --create`,
  ];
  const line: ShopRun['line'] = (faults = {}) =>
    stages.map((stage, at) => (faults[at + 1] ? `${faults[at + 1]} ${stage}` : stage)).join(' \\\n  | ');
  return {
    table,
    env,
    mysql,
    pg,
    line,
    run: (faults) => pipeline(line(faults), { env }),
    settle: () => new Promise((resolve) => setTimeout(resolve, 2_500)),
    verdict: () => compareTables(mysql, { schema: id, table: 'orders' }, pg, { schema: id, table: 'orders' }, ['id']),
    async close() {
      await mysql.query(`DROP DATABASE ${id}`);
      await mysql.end();
      await pg.query(`DROP SCHEMA ${id} CASCADE`);
      await pg.end();
    },
  };
}
