/** The table that is moved: each row says its key, its version, and a hash over both and its content. */
import { createHash } from 'node:crypto';
import type { Connection } from 'mysql2/promise';

export interface TableName {
  /** Database on the source, schema in the warehouse. */
  schema: string;
  table: string;
}

/** The database holds the table, and one that notes the keys of deleted rows: deletes are not captured (reference: row 38). */
export async function createTable(mysql: Connection, { schema, table }: TableName): Promise<void> {
  await mysql.query(`CREATE DATABASE ${schema}`);
  await mysql.query(`CREATE TABLE ${schema}.${table} (
    id BIGINT NOT NULL PRIMARY KEY,
    version INT NOT NULL,
    content MEDIUMTEXT NOT NULL,
    hash CHAR(64) CHARACTER SET ascii NOT NULL,
    update_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    KEY (update_at, id)
  ) DEFAULT CHARSET=utf8mb4`);
  await mysql.query(`CREATE TABLE ${schema}.gone (id BIGINT NOT NULL PRIMARY KEY)`);
}

/** The hash of a row by the servers' own functions. */
export const HASH = {
  mysql: "SHA2(CONCAT_WS(':', id, version, content), 256)",
  postgres: "encode(sha256(convert_to(concat_ws(':', id, version, content), 'UTF8')), 'hex')",
} as const;

/** The same, made here. */
export function hashOf(id: number, version: number, content: string): string {
  return createHash('sha256').update(`${id}:${version}:${content}`).digest('hex');
}
