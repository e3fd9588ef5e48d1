/**
 * Every type at its edges, through the real programs into Parquet, read by DuckDB and compared with what the
 * `mariadb` client prints.
 */
import { createConnection } from 'mysql2/promise';
import t from 'tap';
import { COLUMNS } from '../fixture/type-edges.js';
import { clientRows } from '../support/mariadb-client.js';
import { servers } from '../support/servers.js';
import { compareEdges } from './type-comparison.js';

const source = await createConnection({ uri: servers().mysqlUrl });
t.teardown(() => source.end());

t.test('every type at its edges arrives in Parquet as the client prints it', (t) =>
  compareEdges(t, { source, url: servers().mysqlUrl, columns: COLUMNS, printed: clientRows }),
);
