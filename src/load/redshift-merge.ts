/**
 * Staged rows into a Redshift table, all in the transaction that staged them. Where the files have every column, old
 * versions are deleted and new ones inserted (Amazon's own pattern for replacing rows); where the table has more,
 * MERGE updates in place, so that those columns keep their values. Nothing here commits by itself: no TRUNCATE.
 */
import { quoted, quotedTable } from './name.js';
import { hasVersions, newestFirst, twiceStatement } from './versions.js';
import type { Session, Staged, TablePlan } from './warehouse.js';

/** Number of the file a staged row came from; tells versions apart that have the same cursor. */
export const FILE_COLUMN = '_tablepipe_file';
const STAGED = '_tablepipe_staged';
const NEWEST = '_tablepipe_newest';
/** 1 for the newest version of a key. A name that is no column's: a table may well have a column `version`. */
const AGE = '_tablepipe_age';

/** Rows with the same key and the same cursor: only the file they came from can tell which is newer. */
export function tiesStatement(plan: TablePlan, staging: string): string {
  const columns = [...new Set([...plan.key, ...plan.cursor])].map(quoted).join(', ');
  return `SELECT 1 AS tie FROM ${staging} GROUP BY ${columns} HAVING count(*) > 1 LIMIT 1`;
}

/** @param complete the files have every column of the table */
export async function redshiftMerge(
  session: Session,
  plan: TablePlan,
  staged: Staged,
  complete: boolean,
): Promise<number> {
  const source = hasVersions(plan) ? await newestVersions(session, plan, staged.table) : staged.table;
  const statements = statementsOf(plan, source, complete);
  let rows = 0;
  for (const { sql, counts } of statements) {
    const affected = await session.write(sql);
    if (counts) rows += affected;
  }
  for (const table of new Set([source, staged.table])) await session.write(`DROP TABLE ${table}`);
  return rows;
}

/** The staging table, or a second one with the newest version of each key when some key is staged twice. */
async function newestVersions(session: Session, plan: TablePlan, staging: string): Promise<string> {
  const key = plan.key.map(quoted).join(', ');
  if (!session.dry && (await session.read(twiceStatement(plan, staging))).length === 0) return staging;
  const newest = quoted(NEWEST);
  const names = plan.columns.map(({ name }) => quoted(name)).join(', ');
  const numbered = `SELECT ${names}, row_number() OVER (PARTITION BY ${key} ORDER BY ${newestFirst(plan, FILE_COLUMN)}) AS ${AGE} FROM ${staging}`;
  await session.write(`CREATE TEMP TABLE ${newest} (LIKE ${staging})`);
  await session.write(`INSERT INTO ${newest} (${names}) SELECT ${names} FROM (${numbered}) AS v WHERE v.${AGE} = 1`);
  return newest;
}

interface Statement {
  sql: string;
  /** Its rows are rows that arrived. */
  counts: boolean;
}

function statementsOf(plan: TablePlan, source: string, complete: boolean): Statement[] {
  const target = quotedTable(plan.target);
  const names = plan.columns.map(({ name }) => quoted(name));
  const values = plan.columns.map((column) => column.value(`${STAGED}.${quoted(column.name)}`));
  const from = `${source} AS ${STAGED}`;
  const matched = plan.key
    .map((name) => `${quoted(plan.target.table)}.${quoted(name)} = ${STAGED}.${quoted(name)}`)
    .join(' AND ');
  const insert = {
    sql: `INSERT INTO ${target} (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${from}`,
    counts: true,
  };
  const quiet = (sql: string): Statement => ({ sql, counts: false });
  if (plan.mode === 'append' || (plan.mode === 'replace' && plan.key.length === 0)) {
    return plan.mode === 'append' ? [insert] : [quiet(`DELETE FROM ${target}`), insert];
  }
  const missing = plan.mode === 'replace' ? [quiet(dropMissing(plan, target, from, matched))] : [];
  if (complete) return [...missing, quiet(`DELETE FROM ${target} USING ${from} WHERE ${matched}`), insert];
  return [...missing, { sql: mergeStatement(plan, target, from, matched, names, values), counts: true }];
}

function mergeStatement(
  plan: TablePlan,
  target: string,
  from: string,
  matched: string,
  names: readonly string[],
  values: readonly string[],
): string {
  const set = names.map((name, index) => `${name} = ${values[index]}`);
  if (plan.softDelete !== null) set.push(`${quoted(plan.softDelete)} = NULL`);
  return `MERGE INTO ${target} USING ${from} ON ${matched} WHEN MATCHED THEN UPDATE SET ${set.join(', ')} WHEN NOT MATCHED THEN INSERT (${names.join(', ')}) VALUES (${values.join(', ')})`;
}

function dropMissing(plan: TablePlan, target: string, from: string, matched: string): string {
  const absent = `NOT EXISTS (SELECT 1 FROM ${from} WHERE ${matched})`;
  if (plan.softDelete === null) return `DELETE FROM ${target} WHERE ${absent}`;
  const column = quoted(plan.softDelete);
  return `UPDATE ${target} SET ${column} = GETDATE() WHERE ${column} IS NULL AND ${absent}`;
}
