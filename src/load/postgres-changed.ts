/**
 * When a row that is there counts as changed. Compared is what is stored, byte for byte: `=` would take -0 for 0,
 * 1.0 in a document for 1.00, and texts for equal that only a collation calls so.
 */
import { quoted } from './name.js';
import type { PlannedColumn, TablePlan } from './warehouse.js';

/** Types whose cast gives what an assignment to the column would store. */
const PLAIN =
  /^(?:smallint|integer|bigint|real|double precision|numeric|boolean|date|timestamp|timestamptz|time|timetz|uuid|inet|json|jsonb|bytea)(?:\(|$)/;
const TEXT = /^(?:text|varchar|char)(?:\(|$)/;

/**
 * The condition under which row `t` differs from the values that arrive; empty = every row has to be written, because
 * some column's type (a domain, an enum, one of an extension) may store something else than a cast shows.
 */
export function changedCondition(plan: TablePlan, value: (column: PlannedColumn) => string): string {
  const columns = plan.columns.filter(({ name }) => !plan.key.includes(name));
  const pairs = columns.map((column) => comparable(column, value(column)));
  if (columns.length === 0 || pairs.includes(undefined)) return '';
  const there = pairs.map((pair) => pair?.[0]).join(', ');
  const arriving = pairs.map((pair) => pair?.[1]).join(', ');
  const differs = `record_image_ne(ROW(${there}), ROW(${arriving}))`;
  return plan.softDelete === null ? differs : `(${differs} OR t.${quoted(plan.softDelete)} IS NOT NULL)`;
}

/** What is there and what arrives, as values of one type. */
function comparable(
  { name, type, fit }: PlannedColumn,
  arriving: string,
): [there: string, arriving: string] | undefined {
  const there = `t.${quoted(name)}`;
  if (fit === 'same') return [there, arriving];
  // A cast to varchar(n) would cut what the assignment refuses.
  if (TEXT.test(type)) return [`${there}::text`, `(${arriving})::text`];
  return PLAIN.test(type) ? [there, `(${arriving})::${type}`] : undefined;
}
