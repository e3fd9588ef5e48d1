/**
 * The functions the double lets through, and the ones it knows Redshift refuses. Everything else is unverified:
 * a name that PostgreSQL has proves nothing about Redshift (rule 65).
 */
import { SqlError, unsupported, unverified } from './sql-error.js';

/** Same name and same meaning on both sides, for the arguments a loader uses. */
const SAME: ReadonlySet<string> = new Set(
  `count sum min max coalesce nullif greatest least lower upper octet_length btrim ltrim rtrim trim substring left
  right replace split_part strpos abs ceil floor round mod power sqrt sign date_trunc md5 row_number rank dense_rank lag lead
  first_value last_value current_database bool_and bool_or`.split(/\s+/),
);

/** Redshift name → what stands for it behind. */
const RENAMED: Readonly<Record<string, string>> = {
  nvl: 'coalesce',
  len: 'char_length',
  length: 'char_length',
  char_length: 'char_length',
  getdate: 'redshift_double.getdate',
  json_parse: 'redshift_double.json_parse',
  json_serialize: 'redshift_double.json_serialize',
  is_valid_json: 'redshift_double.is_valid_json',
  listagg: 'string_agg',
  version: 'redshift_double.version',
  pg_backend_pid: 'redshift_double.pg_backend_pid',
  pg_terminate_backend: 'redshift_double.pg_terminate_backend',
  to_hex: 'redshift_double.to_hex',
};

/** Run on the leader node only: fine alone, 0A000 beside a user's table (reference/redshift.md 4.8, rule 56). */
export const LEADER_ONLY: ReadonlySet<string> = new Set([
  'now',
  'generate_series',
  'version',
  'current_schema',
  'pg_backend_pid',
  'pg_terminate_backend',
]);

export const WINDOW_ONLY: ReadonlySet<string> = new Set([
  'row_number',
  'rank',
  'dense_rank',
  'lag',
  'lead',
  'first_value',
  'last_value',
]);
export const AGGREGATES: ReadonlySet<string> = new Set([
  'count',
  'sum',
  'min',
  'max',
  'listagg',
  'bool_and',
  'bool_or',
]);

const ABSENT: ReadonlySet<string> = new Set(
  `string_agg array_agg pg_sleep unnest json_agg jsonb_agg row_to_json to_json to_jsonb json_build_object
  gen_random_uuid nextval currval setval lastval xmlparse regexp_matches pg_notify`.split(/\s+/),
);

/** The backing name of a function, or the refusal. */
export function backingFunction(name: string): string {
  if (SAME.has(name) || name === 'now' || name === 'generate_series' || name === 'current_schema') return name;
  const renamed = RENAMED[name];
  if (renamed !== undefined) return renamed;
  if (/^pg_(try_)?advisory_/.test(name)) throw new SqlError('42883', `function ${name}() does not exist`);
  if (ABSENT.has(name)) throw unsupported(`Function "${name}" not supported.`);
  throw unverified(`function ${name}() is not modelled by the double`);
}
