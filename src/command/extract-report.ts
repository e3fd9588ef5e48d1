/** What `mysql-extract` prints instead of rows: what the columns become, or the plan. */
import { schemaOfPlans } from '../column/from-mysql.js';
import { parquetSchema } from '../column/parquet-schema.js';
import { sourceColumns } from '../column/source-column.js';
import { toPostgres } from '../column/to-postgres.js';
import { toRedshift } from '../column/to-redshift.js';
import { typeName } from '../column/type-name.js';
import type { Extract } from '../plan/extract.js';
import { type ReadPlan, statement } from '../plan/read-plan.js';

/** One line a column: what it is in MySQL, and what it becomes on its way. */
export function typeTable(plan: ReadPlan): string {
  const schema = schemaOfPlans(plan.columns);
  const parquet = parquetSchema(schema, 'redshift');
  const rows = sourceColumns(schema).map((column, index) => [
    column.name,
    `${column.mysqlType}${column.charset ? ` ${column.charset}` : ''}`,
    `${typeName(column.arrow)}${column.nullable ? '' : ' not null'}`,
    typeName(parquet.fields[index]?.type ?? column.arrow),
    toRedshift(column).type,
    toPostgres(column).type,
  ]);
  return aligned([['COLUMN', 'MYSQL', 'ARROW', 'PARQUET', 'REDSHIFT', 'POSTGRESQL'], ...rows]);
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

/** The plan as one JSON record. */
export function planRecord({ plan, verdict, caveat }: Extract): Record<string, unknown> {
  const { sql, values } = statement(plan, plan.since, plan.pageRows);
  return {
    dry_run: true,
    table: plan.table,
    read: plan.read,
    cursor_columns: plan.key.map(({ name }) => name),
    from: plan.begins,
    until: plan.until && { value: plan.until.value, rule: plan.until.rule },
    caveat: caveat ?? null,
    query: sql,
    values,
    page_rows: plan.pageRows,
    explain: verdict.text,
    estimated_rows: verdict.rows,
    columns: Object.fromEntries(plan.columns.map(({ name, mysqlType }) => [name, mysqlType])),
  };
}
