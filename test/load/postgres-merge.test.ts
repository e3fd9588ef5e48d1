/** Merging into PostgreSQL: what is written, what is left alone, and the tables MERGE does not take. */
import { Float64, Int32, Utf8 } from 'apache-arrow';
import t from 'tap';
import { connectTarget } from '../support/servers.js';
import { load, stored } from './loader.js';
import { scratchSchema } from '../support/scratch-schema.js';

const { schema, folder, sql } = await scratchSchema(t, 'merge');

const int = new Int32();
const text = new Utf8();
const double = new Float64();

/** Rows by id, each with the transaction that wrote it. */
async function rows(table: string, columns: string): Promise<Map<number, { xmin: string; values: unknown[] }>> {
  const found = await sql.query<unknown[]>({
    text: `SELECT id, xmin::text, ${columns} FROM ${schema}.${table} ORDER BY id`,
    rowMode: 'array',
  });
  return new Map(found.rows.map(([id, xmin, ...values]) => [Number(id), { xmin: String(xmin), values }]));
}

t.test('a row that is there bit for bit is left alone; any other bit counts', async (t) => {
  const object = (doc: string, zero: number, name: string | null): ReturnType<typeof stored> =>
    stored(folder, {
      id: [int, [1, 2]],
      doc: [text, ['{"a": 1.0}', doc], 'json'],
      zero: [double, [0, zero]],
      name: [text, [null, name], 'varchar(9) character set utf8mb4'],
    });
  await load([schema, 'bits'], [object('{"a": 1.0}', 0, 'x')]);
  let before = await rows('bits', "doc::text, zero::text, coalesce(name, '-')");
  // 1.0 = 1.00, 0 = -0, and 'x' is not null: equal to PostgreSQL's =, or unknown to it.
  const changes: readonly [string, number, string | null][] = [
    ['{"a": 1.00}', 0, 'x'],
    ['{"a": 1.00}', -0, 'x'],
    ['{"a": 1.00}', -0, null],
  ];
  for (const [doc, zero, name] of changes) {
    const { merged, rows: arrived } = await load([schema, 'bits'], [object(doc, zero, name)]);
    const after = await rows('bits', "doc::text, zero::text, coalesce(name, '-')");
    t.same([arrived, merged], [2, 1]);
    t.same(after.get(1), before.get(1), 'row 1 was not written');
    t.same(after.get(2)?.values, [doc, Object.is(zero, -0) ? '-0' : '0', name ?? '-']);
    before = after;
  }
});

t.test('columns may have any name, also when a key is staged twice', async (t) => {
  const names = ['version', 'v', 'n', 's', 't', 'row', 'twice', 'excluded', 'ord'];
  const more = Object.fromEntries(names.map((name) => [name, [int, [1, 2]]] as const));
  const object = stored(folder, { id: [int, [1, 1]], ...more });
  const another = stored(folder, { id: [int, [1, 1]], ...more, n: [int, [1, 3]] });
  t.equal((await load([schema, 'names'], [object])).merged, 1);
  t.equal((await load([schema, 'names'], [another])).merged, 1);
  const values = [...(await rows('names', names.map((name) => `"${name}"`).join(', '))).values()].map(
    (row) => row.values,
  );
  t.same(values, [names.map((name) => (name === 'n' ? 3 : 2))]);
});

t.test('a text that is too long is refused, also where its beginning is there already', async (t) => {
  const object = (name: string): ReturnType<typeof stored> =>
    stored(folder, { id: [int, [1]], name: [text, [name], 'varchar(9) character set utf8mb4'] });
  await sql.query(`CREATE TABLE ${schema}.narrow (id bigint PRIMARY KEY, name varchar(3))`);
  t.equal((await load([schema, 'narrow'], [object('abc')])).merged, 1);
  t.equal((await load([schema, 'narrow'], [object('abc')], { evolve: 'fail' })).merged, 0);
  await t.rejects(load([schema, 'narrow'], [object('abcd')]), { code: 65, message: /longer than its column/ });
  t.same(
    [...(await rows('narrow', 'name')).values()].map(({ values }) => values),
    [['abc']],
  );
});

t.test('tables that MERGE does not take, and keys the server does not keep unique', async (t) => {
  const object = (ids: readonly number[], name: string): ReturnType<typeof stored> =>
    stored(folder, { id: [int, ids], name: [text, ids.map(() => name), 'varchar(9) character set utf8mb4'] });
  await sql.query(`CREATE TABLE ${schema}.ruled (id int PRIMARY KEY, name varchar(9))`);
  await sql.query(`CREATE RULE keep AS ON DELETE TO ${schema}.ruled DO ALSO NOTHING`);
  await sql.query(`CREATE TABLE ${schema}.loose (id int, name varchar(9))`);
  await sql.query(`INSERT INTO ${schema}.loose VALUES (1, 'x'), (1, 'y')`);
  for (const table of ['ruled', 'loose']) {
    await load([schema, table], [object([1, 2], 'a')]);
    await load([schema, table], [object([2, 3], 'b')]);
    const { rows: found } = await sql.query({
      text: `SELECT id, name FROM ${schema}.${table} ORDER BY id`,
      rowMode: 'array',
    });
    const first =
      table === 'loose'
        ? [
            [1, 'a'],
            [1, 'a'],
          ]
        : [[1, 'a']];
    t.same(found, [...first, [2, 'b'], [3, 'b']], table);
  }
});

t.test('a row that somebody else inserts at the same time becomes an update', async (t) => {
  await sql.query(`CREATE TABLE ${schema}.shared (id int PRIMARY KEY, name varchar(9))`);
  const other = await connectTarget();
  await other.query('BEGIN');
  await other.query(`INSERT INTO ${schema}.shared VALUES (1, 'theirs')`);
  const loading = load(
    [schema, 'shared'],
    [stored(folder, { id: [int, [1]], name: [text, ['ours'], 'varchar(9) character set utf8mb4'] })],
  );
  const waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'MERGE INTO%shared%'";
  while ((await sql.query(waits)).rows.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  await other.query('COMMIT');
  await other.end();
  t.equal((await loading).merged, 1);
  t.same((await sql.query(`SELECT id, name FROM ${schema}.shared`)).rows, [{ id: 1, name: 'ours' }]);
});
