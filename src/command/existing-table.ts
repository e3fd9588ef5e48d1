/** Finds the table a person named, or says what they may have meant. */
import { closest } from '../cli/flags.js';
import type { TableName } from '../cli/parse.js';
import { Failure } from '../errors.js';
import type { MysqlSession } from '../mysql-session.js';
import { type Table, describeTable, tableNames } from '../plan/catalogue.js';

/** The table; 66 with the nearest name when there is none. */
export async function existingTable(session: MysqlSession, { schema, table }: TableName): Promise<Table> {
  const found = await describeTable(session.ask, session.mariadb, schema, table);
  if (found) return found;
  const near = closest(table, await tableNames(session.ask, schema));
  throw new Failure('no-input', `there is no table ${schema}.${table}, or this user may not see it`, {
    hint: near ? `Did you mean ${schema}.${near}?` : `Check the name, or: GRANT SELECT ON \`${schema}\`.* TO …`,
  });
}
