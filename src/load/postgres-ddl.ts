/** The table PostgreSQL is to have for planned columns. */
import { quoted, quotedTable } from './name.js';
import type { TablePlan } from './warehouse.js';

/** CREATE TABLE, with the key as primary key where the table is to hold each row once. */
export function createPostgresTable({ target, columns, key, mode, softDelete }: Omit<TablePlan, 'ddl'>): string {
  const lines = columns.map(({ name, type, nullable }) => `  ${quoted(name)} ${type}${nullable ? '' : ' NOT NULL'}`);
  if (softDelete !== null) lines.push(`  ${quoted(softDelete)} timestamptz`);
  // Versions of a row stand side by side in a table that is only appended to.
  if (key.length > 0 && mode !== 'append') lines.push(`  PRIMARY KEY (${key.map(quoted).join(', ')})`);
  return `CREATE TABLE ${quotedTable(target)} (\n${lines.join(',\n')}\n)`;
}
