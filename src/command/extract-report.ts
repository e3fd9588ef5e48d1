/** What `mysql-extract` prints instead of rows: the types of the columns, or the plan. */
import type { Extract } from '../plan/extract.js';
import { type ReadPlan, statement } from '../plan/read-plan.js';

/** One line a column: what it is in MySQL, and what it becomes. */
export function typeTable(plan: ReadPlan): string {
  const rows = [
    ['COLUMN', 'MYSQL', 'ARROW'],
    ...plan.columns.map(({ name, mysqlType, arrow, nullable }) => [
      name,
      mysqlType,
      `${String(arrow as { toString(): string })}${nullable ? '' : ' not null'}`,
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** The plan as one JSON record. */
export function planRecord({ plan, verdict, caveat }: Extract): Record<string, unknown> {
  const { sql, values } = statement(plan, plan.since, plan.pageRows);
  return {
    dry_run: true,
    table: plan.table,
    read: plan.read,
    cursor_columns: plan.key.map(({ name }) => name),
    from: plan.since,
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
