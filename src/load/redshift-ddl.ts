/** CREATE TABLE for Redshift: types by bytes, compression by type, keys as information, distribution and order. */
import { canonicalRedshift } from '../column/redshift-fit.js';
import { toRedshift } from '../column/to-redshift.js';
import { quoted, quotedTable } from './name.js';
import type { TablePlan } from './warehouse.js';

/** Types that can be neither DISTKEY nor SORTKEY (reference/redshift.md 4.8). */
const KEYLESS = /^(?:SUPER|VARBYTE|GEOMETRY|GEOGRAPHY|HLLSKETCH)\b/;

/**
 * The table, distributed by the first key column, so that rows and their new versions meet on one slice, and sorted
 * by the cursor. A key is information for the planner, which trusts it: only a table whose rows are replaced has one.
 */
export function createRedshiftTable({
  target,
  columns,
  key,
  cursor,
  mode,
  softDelete,
}: Omit<TablePlan, 'ddl'>): string {
  const lines = columns.map(({ name, type, nullable, source }) => {
    const natural = toRedshift(source);
    const encode = canonicalRedshift(natural.type) === canonicalRedshift(type) ? ` ENCODE ${natural.encode}` : '';
    return `  ${quoted(name)} ${type}${nullable ? '' : ' NOT NULL'}${encode}`;
  });
  if (softDelete !== null) lines.push(`  ${quoted(softDelete)} TIMESTAMPTZ`);
  if (key.length > 0 && mode !== 'append') lines.push(`  PRIMARY KEY (${key.map(quoted).join(', ')})`);
  const usable = (name: string): boolean => {
    const type = columns.find((column) => column.name === name)?.type;
    return type !== undefined && !KEYLESS.test(type.toUpperCase());
  };
  const [spread] = key.filter(usable);
  const order = cursor.filter(usable);
  const attributes = [
    ...(spread === undefined ? [] : [`DISTKEY (${quoted(spread)})`]),
    ...(order.length === 0 ? [] : [`COMPOUND SORTKEY (${order.map(quoted).join(', ')})`]),
  ];
  return [`CREATE TABLE ${quotedTable(target)} (\n${lines.join(',\n')}\n)`, ...attributes].join(' ');
}
