/**
 * Staged rows into a PostgreSQL table. Rows are updated in place, never deleted and put back: views, grants and rows
 * of other tables that refer to these survive, and columns the files do not have keep their values.
 */
import { quoted, quotedTable } from './name.js';
import { hasVersions, newestFirst, twiceStatement } from './versions.js';
import type { PlannedColumn, Session, Staged, TablePlan } from './warehouse.js';

/** Counts staged rows in the order they came in; added to the staging table where rows can have versions. */
export const ORDER_COLUMN = '_tablepipe_order';

/** Runs the merge; resolves to the rows inserted or updated. Readers see all of it or nothing, at the commit. */
export async function postgresMerge(session: Session, plan: TablePlan, staged: Staged): Promise<number> {
  const sql = statements(plan, staged.table);
  if (hasVersions(plan)) {
    const twice = session.dry || (await session.read(sql.versions)).length > 0;
    if (twice) await session.write(sql.dropVersions);
  }
  let rows = 0;
  if (plan.mode === 'replace') await session.write(sql.dropMissing);
  if (plan.mode !== 'append' && plan.key.length > 0 && !plan.enforced) rows += await session.write(sql.update);
  rows += await session.write(sql.insert);
  await session.write(`DROP TABLE ${staged.table}`);
  return rows;
}

interface Statements {
  versions: string;
  dropVersions: string;
  dropMissing: string;
  update: string;
  insert: string;
}

function statements(plan: TablePlan, staging: string): Statements {
  const target = quotedTable(plan.target);
  const key = plan.key.map(quoted);
  const names = plan.columns.map(({ name }) => quoted(name));
  const values = plan.columns.map((column) => column.value(`s.${quoted(column.name)}`));
  const matched = plan.key.map((name) => `t.${quoted(name)} = ${valueOf(plan, name)}`).join(' AND ');
  const order = quoted(ORDER_COLUMN);
  const absent = `NOT EXISTS (SELECT 1 FROM ${staging} s WHERE ${matched})`;
  return {
    versions: twiceStatement(plan, staging),
    dropVersions: `DELETE FROM ${staging} s USING (SELECT ${order}, row_number() OVER (PARTITION BY ${key.join(', ')} ORDER BY ${newestFirst(plan, ORDER_COLUMN)}) AS n FROM ${staging}) v WHERE s.${order} = v.${order} AND v.n > 1`,
    dropMissing: dropMissing(plan, target, absent),
    update: `UPDATE ${target} t SET ${assignments(plan, (column) => column.value(`s.${quoted(column.name)}`))} FROM ${staging} s WHERE ${matched}`,
    insert: `INSERT INTO ${target} AS t (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${staging} s${ending(plan, key, matched)}`,
  };
}

function valueOf(plan: TablePlan, name: string): string {
  const column = plan.columns.find((one) => one.name === name);
  return column ? column.value(`s.${quoted(name)}`) : `s.${quoted(name)}`;
}

/** With a key the server keeps unique, an insert that meets a row becomes an update; else what matched was updated before. */
function ending(plan: TablePlan, key: readonly string[], matched: string): string {
  if (plan.mode === 'append' || key.length === 0) return '';
  if (!plan.enforced) return ` WHERE NOT EXISTS (SELECT 1 FROM ${quotedTable(plan.target)} t WHERE ${matched})`;
  const changes = assignments(plan, ({ name }) => `EXCLUDED.${quoted(name)}`);
  return ` ON CONFLICT (${key.join(', ')}) DO ${changes === '' ? 'NOTHING' : `UPDATE SET ${changes}${changed(plan)}`}`;
}

function assignments(plan: TablePlan, value: (column: PlannedColumn) => string): string {
  const rest = plan.columns.filter(({ name }) => !plan.key.includes(name));
  const set = rest.map((column) => `${quoted(column.name)} = ${value(column)}`);
  if (plan.softDelete !== null) set.push(`${quoted(plan.softDelete)} = NULL`);
  return set.join(', ');
}

/** A snapshot mostly holds rows that did not change: leaving them alone spares the table a copy of itself. */
function changed(plan: TablePlan): string {
  if (plan.mode !== 'replace') return '';
  const compared = plan.columns.filter(({ name }) => !plan.key.includes(name));
  const row = (prefix: string): string =>
    [
      ...compared.map(({ name, type }) => `${prefix}.${quoted(name)}${type === 'json' ? '::text' : ''}`),
      ...(plan.softDelete === null ? [] : [prefix === 't' ? `t.${quoted(plan.softDelete)}` : 'NULL']),
    ].join(', ');
  return compared.length === 0 ? '' : ` WHERE (${row('t')}) IS DISTINCT FROM (${row('EXCLUDED')})`;
}

function dropMissing(plan: TablePlan, target: string, absent: string): string {
  if (plan.softDelete !== null) {
    const column = quoted(plan.softDelete);
    return `UPDATE ${target} t SET ${column} = now() WHERE t.${column} IS NULL AND ${absent}`;
  }
  return plan.key.length > 0 ? `DELETE FROM ${target} t WHERE ${absent}` : `DELETE FROM ${target}`;
}
