/** The system relations a loader may read. Each is a view of the double's own, in a schema users cannot name. */
import { unverified } from './sql-error.js';

export const HIDDEN_SCHEMA = 'redshift_double';

const CATALOGUE = new Set([
  'svv_all_columns',
  'svv_columns',
  'svv_tables',
  'svv_all_tables',
  'svv_all_schemas',
  'pg_table_def',
  'stv_db_isolation_level',
]);
const INFORMATION_SCHEMA = new Set(['columns', 'tables', 'table_constraints', 'key_column_usage']);
/** Records of loads and statements: written outside every transaction, so they survive a rollback (rule 38). */
const HISTORY = new Set([
  'sys_query_history',
  'stl_load_errors',
  'stl_loaderror_detail',
  'stl_load_commits',
  'sys_load_history',
  'sys_load_detail',
  'sys_load_error_detail',
]);

/** The double's view for a relation, undefined for a user's table; refuses system relations it does not model. */
export function systemView(schema: string | undefined, name: string): string | undefined {
  if (schema === 'information_schema') {
    if (INFORMATION_SCHEMA.has(name)) return `information_schema_${name}`;
    throw unverified(`information_schema.${name} is not modelled by the double`);
  }
  if (schema !== undefined && schema !== 'pg_catalog') return undefined;
  if (CATALOGUE.has(name) || HISTORY.has(name)) return name;
  if (schema === 'pg_catalog' || /^(stl|stv|svl|svv|sys|svcs|pg)_/.test(name)) {
    throw unverified(`system relation ${name} is not modelled by the double`);
  }
  return undefined;
}

export function isHistory(name: string): boolean {
  return HISTORY.has(name);
}
