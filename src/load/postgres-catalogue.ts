/** What PostgreSQL's catalogue says about a table. */
import { Failure } from '../errors.js';
import { type Table, quotedTable } from './name.js';
import type { Session, TargetColumn, TargetTable } from './warehouse.js';

/** Tables, partitioned tables, foreign tables. */
const LOADABLE = new Set(['r', 'p', 'f']);

export async function hasPostgresSchema(session: Session, schema: string): Promise<boolean> {
  return (await session.read('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).length > 0;
}

/** Columns and unique keys of a table; undefined when there is none, 78 when it is a view. */
export async function describePostgres(session: Session, table: Table): Promise<TargetTable | undefined> {
  const [found] = await session.read<{ oid: string; relkind: string }>(
    'SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2',
    [table.schema, table.table],
  );
  if (!found) return undefined;
  if (!LOADABLE.has(found.relkind)) {
    throw new Failure('config', `${quotedTable(table)} is no table that rows can be loaded into`, {
      hint: 'Load into the table behind the view, or name another target.',
    });
  }
  const columns = await session.read<TargetColumn>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
            atthasdef OR attidentity <> '' AS filled
       FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [found.oid],
  );
  const unique = await session.read<{ names: string[] }>(
    `SELECT array_agg(a.attname::text) AS names
       FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
      WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
        AND i.indnkeyatts = i.indnatts
      GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC`,
    [found.oid],
  );
  return { columns, unique: unique.map(({ names }) => names) };
}
