/** Versions of a row: staged rows with the same key, of which the newest counts. */
import { quoted } from './name.js';
import type { TablePlan } from './warehouse.js';

/** True when rows with the same key replace each other, so that the staging table has to tell which is newer. */
export function hasVersions({ mode, key }: TablePlan): boolean {
  return mode !== 'append' && key.length > 0;
}

/** Finds one key that is staged more than once: no row when there is none. */
export function twiceStatement({ key }: TablePlan, staging: string): string {
  return `SELECT 1 AS twice FROM ${staging} GROUP BY ${key.map(quoted).join(', ')} HAVING count(*) > 1 LIMIT 1`;
}

/** The order of versions, newest first: by cursor, then by `last`, a column that counts them as they came. */
export function newestFirst({ cursor }: TablePlan, last: string): string {
  return [...cursor.map((name) => `${quoted(name)} DESC NULLS LAST`), `${quoted(last)} DESC`].join(', ');
}
