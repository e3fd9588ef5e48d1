/**
 * Staged rows into a PostgreSQL table. Rows are updated in place, never deleted and put back: views, grants and rows
 * of other tables that refer to these survive, and columns the files do not have keep their values. A row that is
 * there already, bit for bit, is left alone: writing it again would cost as much as a new one.
 */
import { sqlState } from '../warehouse-failure.js';
import { changedCondition } from './postgres-changed.js';
import { quoted, quotedTable } from './name.js';
import { hasVersions, newestFirst, twiceStatement } from './versions.js';
import type { PlannedColumn, Session, Staged, TablePlan } from './warehouse.js';

/** Counts staged rows in the order they came in; added to the staging table where rows can have versions. */
export const ORDER_COLUMN = '_tablepipe_order';

/** Runs the merge; resolves to the rows inserted or changed. Readers see all of it or nothing, at the commit. */
export async function postgresMerge(session: Session, plan: TablePlan, staged: Staged): Promise<number> {
  const sql = statements(plan, staged.table);
  const versions = hasVersions(plan);
  if (versions) {
    const twice = session.dry || (await session.read(twiceStatement(plan, staged.table))).length > 0;
    if (twice) await session.write(sql.dropVersions);
  }
  if (plan.mode === 'replace') await session.write(sql.dropMissing);
  const rows = versions ? await upsert(session, plan, sql) : await session.write(sql.insert);
  await session.write(`DROP TABLE ${staged.table}`);
  return rows;
}

/**
 * Errors after which the two older statements are tried: a row of the same key that somebody else inserted at the
 * same time (23505), a foreign table or one with rules (42809, 0A000), a server older than MERGE, version 15 (42601).
 */
const NO_MERGE = new Set(['23505', '42809', '0A000', '42601']);

/** MERGE joins once; INSERT … ON CONFLICT looks into the index for each row, and writes to rows it then leaves alone. */
async function upsert(session: Session, plan: TablePlan, sql: Statements): Promise<number> {
  await session.write('SAVEPOINT tablepipe_merge');
  try {
    return await session.write(sql.merge);
  } catch (error) {
    if (!NO_MERGE.has(sqlState(error) ?? '')) throw error;
    await session.write('ROLLBACK TO SAVEPOINT tablepipe_merge');
  }
  const updated = plan.enforced || sql.update === '' ? 0 : await session.write(sql.update);
  return updated + (await session.write(sql.insert));
}

interface Statements {
  dropVersions: string;
  dropMissing: string;
  merge: string;
  update: string;
  insert: string;
}

function statements(plan: TablePlan, staging: string): Statements {
  const target = quotedTable(plan.target);
  const key = plan.key.map(quoted).join(', ');
  const names = plan.columns.map(({ name }) => quoted(name)).join(', ');
  const values = plan.columns.map(valueOf).join(', ');
  const matched = plan.key.map((name) => `t.${quoted(name)} = ${keyValue(plan, name)}`).join(' AND ');
  const order = quoted(ORDER_COLUMN);
  const absent = `NOT EXISTS (SELECT 1 FROM ${staging} s WHERE ${matched})`;
  const set = assignments(plan, valueOf);
  const changed = changedCondition(plan, valueOf);
  const whenMatched = set === '' ? '' : ` WHEN MATCHED${changed && ` AND ${changed}`} THEN UPDATE SET ${set}`;
  return {
    dropVersions: `DELETE FROM ${staging} s USING (SELECT ${order}, row_number() OVER (PARTITION BY ${key} ORDER BY ${newestFirst(plan, ORDER_COLUMN)}) AS n FROM ${staging}) v WHERE s.${order} = v.${order} AND v.n > 1`,
    dropMissing: dropMissing(plan, target, absent),
    merge: `MERGE INTO ${target} t USING ${staging} s ON ${matched}${whenMatched} WHEN NOT MATCHED THEN INSERT (${names}) VALUES (${values})`,
    update:
      set === ''
        ? ''
        : `UPDATE ${target} t SET ${set} FROM ${staging} s WHERE ${matched}${changed && ` AND ${changed}`}`,
    insert: `INSERT INTO ${target} AS t (${names}) SELECT ${values} FROM ${staging} s${ending(plan, key, matched)}`,
  };
}

function valueOf(column: PlannedColumn): string {
  return column.value(`s.${quoted(column.name)}`);
}

function keyValue(plan: TablePlan, name: string): string {
  const column = plan.columns.find((one) => one.name === name);
  return column ? valueOf(column) : `s.${quoted(name)}`;
}

/** With a key the server keeps unique, an insert that meets a row becomes an update; else what matched was updated before. */
function ending(plan: TablePlan, key: string, matched: string): string {
  if (!hasVersions(plan)) return '';
  if (!plan.enforced) return ` WHERE NOT EXISTS (SELECT 1 FROM ${quotedTable(plan.target)} t WHERE ${matched})`;
  const excluded = ({ name }: PlannedColumn): string => `EXCLUDED.${quoted(name)}`;
  const set = assignments(plan, excluded);
  const changed = changedCondition(plan, excluded);
  return ` ON CONFLICT (${key}) DO ${set === '' ? 'NOTHING' : `UPDATE SET ${set}${changed && ` WHERE ${changed}`}`}`;
}

function assignments(plan: TablePlan, value: (column: PlannedColumn) => string): string {
  const rest = plan.columns.filter(({ name }) => !plan.key.includes(name));
  const set = rest.map((column) => `${quoted(column.name)} = ${value(column)}`);
  if (plan.softDelete !== null) set.push(`${quoted(plan.softDelete)} = NULL`);
  return set.join(', ');
}

function dropMissing(plan: TablePlan, target: string, absent: string): string {
  if (plan.softDelete !== null) {
    const column = quoted(plan.softDelete);
    return `UPDATE ${target} t SET ${column} = now() WHERE t.${column} IS NULL AND ${absent}`;
  }
  return plan.key.length > 0 ? `DELETE FROM ${target} t WHERE ${absent}` : `DELETE FROM ${target}`;
}
