/** What Redshift's catalogue says about a table. SVV_ALL_* answer on clusters and on Serverless alike. */
import { Failure } from '../errors.js';
import { type Table, quotedTable } from './name.js';
import type { Session, TargetColumn, TargetTable } from './warehouse.js';

export async function hasRedshiftSchema(session: Session, schema: string): Promise<boolean> {
  const found = await session.read(
    'SELECT schema_name FROM svv_all_schemas WHERE schema_name = $1 AND database_name = current_database()',
    [schema],
  );
  return found.length > 0;
}

interface Row {
  column_name: string;
  data_type: string;
  character_maximum_length: number | null;
  numeric_precision: number | null;
  numeric_scale: number | null;
  is_nullable: string;
  column_default: string | null;
}

/**
 * Columns of a table; undefined when there is none, 78 when it is a view. Its keys are not listed: Redshift
 * enforces none (reference/redshift.md 4.6), so nothing may rely on them.
 */
export async function describeRedshift(session: Session, table: Table): Promise<TargetTable | undefined> {
  const here = 'schema_name = $1 AND table_name = $2 AND database_name = current_database()';
  const values = [table.schema, table.table];
  const [found] = await session.read<{ table_type: string }>(
    `SELECT table_type FROM svv_all_tables WHERE ${here}`,
    values,
  );
  if (!found) return undefined;
  if (!found.table_type.trim().endsWith('TABLE')) {
    throw new Failure('config', `${quotedTable(table)} is no table that rows can be loaded into`, {
      hint: 'Load into the table behind the view, or name another target.',
    });
  }
  const rows = await session.read<Row>(
    `SELECT column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default FROM svv_all_columns WHERE ${here} ORDER BY ordinal_position`,
    values,
  );
  return { columns: rows.map(columnOf), unique: [] };
}

function columnOf(row: Row): TargetColumn {
  return {
    name: row.column_name,
    type: typeOf(row),
    nullable: row.is_nullable.trim().toUpperCase() === 'YES',
    filled: row.column_default !== null,
  };
}

/** `numeric` and the character types with their lengths; VARBYTE without one where the catalogue does not tell it. */
function typeOf({ data_type, character_maximum_length, numeric_precision, numeric_scale }: Row): string {
  const type = data_type.trim();
  if (type === 'numeric') return `${type}(${numeric_precision},${numeric_scale})`;
  const sized = /^(?:character|binary)\b/.test(type) && character_maximum_length !== null;
  return sized ? `${type}(${character_maximum_length})` : type;
}
