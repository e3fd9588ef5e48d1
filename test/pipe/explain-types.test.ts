/** What `mysql-extract --explain-types` says of every type is what the programs then make of it. */
import { createConnection } from 'mysql2/promise';
import t from 'tap';
import { createEdges } from '../fixture/edges-table.js';
import { pipeline } from '../support/pipeline.js';
import { demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';

t.setTimeout(120_000);
const database = `explained_${process.pid}`;
const table = `${database}.edges`;
const source = await createConnection({ uri: servers().mysqlUrl });
await createEdges(source, database, () => true);
t.teardown(async () => {
  await source.query(`DROP DATABASE ${database}`);
  await source.end();
});
const env = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl };

async function printed(line: string): Promise<string> {
  const end = await pipeline(line, { env });
  t.equal(end.code, 0, `${line}\n${end.stderr}`);
  return end.stdout;
}

/** Name to type, of a CREATE TABLE. */
function declared(sql: string): Map<string, string> {
  const columns = [...sql.matchAll(/^ +"([a-z0-9]+)" (.*?)( NOT NULL)?( ENCODE \w+)?,?$/gm)];
  return new Map(columns.map(([, name = '', type = '']) => [name, type.toLowerCase()]));
}

t.test('every column, from MySQL to both warehouses', async (t) => {
  const text = demandCode(await run('mysql-extract', [table, '--explain-types'], { env })).stdout.toString();
  const [head, ...lines] = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  t.same(head, ['COLUMN', 'MYSQL', 'ARROW', 'PARQUET', 'REDSHIFT', 'POSTGRESQL']);
  const [catalogue] = await source.query(
    'SELECT column_name AS name, column_type AS type FROM information_schema.columns WHERE table_schema = ? ORDER BY ordinal_position',
    [database],
  );
  const expected = catalogue as { name: string; type: string }[];
  t.same(
    lines.map(([name]) => name),
    expected.map(({ name }) => name),
    `${lines.length} columns`,
  );
  const none = `mysql-extract ${table} --cursor none --limit 0`;
  const schema = JSON.parse(await printed(`${none} | to-parquet | from-parquet --schema`)) as {
    columns: { name: string; type: string; mysql_type: string }[];
  };
  const redshift = declared(await printed(`${none} | rs-ddl --table a.b --target redshift`));
  const postgres = declared(await printed(`${none} | rs-ddl --table a.b --target postgres`));
  lines.forEach(([name = '', ...types], at) => {
    const { type, mysql_type } = schema.columns[at] ?? {};
    t.match(types[0], mysql_type, `${name} is ${expected[at]?.type}`);
    t.same(
      types.slice(2).map((type) => type.toLowerCase()),
      [type?.toLowerCase(), redshift.get(name), postgres.get(name)],
      `${name}, ${types.join(', ')}`,
    );
  });
});
