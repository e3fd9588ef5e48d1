/** Tables of PostgreSQL that are not as the files are: names, columns, keys, what depends on them; and what is refused. */
import { Int32, Int64, Utf8 } from 'apache-arrow';
import t from 'tap';
import { POSTGRES_NAMES, storedTable } from '../../src/load/name.js';
import type { Receipt } from '../../src/receipt.js';
import { type Columns, load, stored } from './loader.js';
import { scratchSchema } from '../support/scratch-schema.js';

t.setTimeout(120_000);
const { schema, folder, sql } = await scratchSchema(t, 'table');

const int = new Int32();
const big = new Int64();
const text = new Utf8();
const VARCHAR9 = 'varchar(9) character set utf8mb4';
const object = (columns: Columns): Receipt => stored(folder, columns);
const snapshot = (columns: Columns): Receipt => stored(folder, columns, { read: 'snapshot' });
const named = (ids: readonly number[], name: string | null): Columns => ({
  id: [int, ids],
  name: [text, ids.map(() => name), VARCHAR9],
});

async function table(name: string, columns = 'id, name'): Promise<unknown[]> {
  return (await sql.query({ text: `SELECT ${columns} FROM ${schema}.${name} ORDER BY id`, rowMode: 'array' })).rows;
}

t.test(
  'names are cut where PostgreSQL cuts them; two that would meet are refused, and tables are never cut',
  async (t) => {
    const long = 'ä'.repeat(40);
    await load([schema, 'names'], [object({ id: [int, [1]], [long]: [int, [2]], 'A "b".c': [int, [3]] })]);
    const { rows } = await sql.query<{ attname: string }>(
      `SELECT attname FROM pg_attribute WHERE attrelid = '${schema}.names'::regclass AND attnum > 0 ORDER BY attnum`,
    );
    t.same(
      rows.map(({ attname }) => attname),
      ['id', 'ä'.repeat(31), 'A "b".c'],
    );
    const again = await load(
      [schema, 'names'],
      [object({ id: [int, [1]], [long]: [int, [9]], 'A "b".c': [int, [3]] })],
    );
    t.equal(again.merged, 1, 'and found again under the name that was cut');
    await t.rejects(
      load([schema, 'meet'], [object({ id: [int, [1]], [`${long}x`]: [int, [1]], [`${long}y`]: [int, [1]] })]),
      {
        code: 65,
        message: /would both be ä+ in the warehouse/,
      },
    );
    await t.rejects(load([schema, 'own'], [object({ id: [int, [1]], ctid: [int, [1]] })]), {
      code: 65,
      message: /ctid/,
    });
    t.throws(() => storedTable(POSTGRES_NAMES, { schema: 's', table: long }), {
      code: 64,
      message: /longer than the 63 bytes/,
    });
    const widest = 't'.repeat(63);
    await load([schema, widest], [object({ id: [int, [1]] })]);
    t.equal((await load([schema, widest], [object({ id: [int, [1]] })])).merged, 0, 'its ledger has a name of its own');
  },
);

t.test('--evolve: fail says which statements settle it, add runs them', async (t) => {
  await sql.query(
    `CREATE TABLE ${schema}.evolved (id int PRIMARY KEY, name varchar(3) NOT NULL, kept text DEFAULT 'k')`,
  );
  const wider: Columns = { ...named([1, 2], 'longer'), added: [big, [7n, null]] };
  const refused = await load([schema, 'evolved'], [object(wider)]).catch((error: unknown) => error);
  t.match(refused, {
    code: 65,
    message: /added \(bigint\) is missing/,
    hint: /ADD COLUMN "added" bigint.*--evolve add/,
  });
  await load([schema, 'evolved'], [object(wider)], { evolve: 'add' });
  await load([schema, 'evolved'], [object({ ...named([2], null), added: [big, [8n]] })], { evolve: 'add' });
  t.same(await table('evolved', 'id, name, added, kept'), [
    [1, 'longer', '7', 'k'],
    [2, null, '8', 'k'],
  ]);
  await sql.query(`CREATE TABLE ${schema}.settled (id int PRIMARY KEY, name varchar(9))`);
  const { hint = '' } = (await load([schema, 'settled'], [object(wider)]).catch((error: unknown) => error)) as {
    hint?: string;
  };
  await sql.query(/ALTER TABLE [^(;]*/.exec(hint)?.[0] ?? 'the hint has no statement');
  t.equal((await load([schema, 'settled'], [object(wider)])).merged, 2, 'the statement of the hint is enough');
});

t.test('--cast: only for columns it names, into whatever type they have', async (t) => {
  await sql.query(`CREATE TYPE ${schema}.mood AS ENUM ('sad', 'happy')`);
  await sql.query(`CREATE TABLE ${schema}.casts (id text PRIMARY KEY, name ${schema}.mood, gift boolean)`);
  const columns: Columns = { ...named([1], 'happy'), gift: [int, [1]] };
  await t.rejects(load([schema, 'casts'], [object(columns)]), {
    code: 65,
    message: /id is text.*name is .*mood.*gift is boolean/,
  });
  const casts = new Map([
    ['id', true],
    ['name', true],
    ['gift', true],
  ] as const);
  for (const _ of [1, 2]) await load([schema, 'casts'], [object(columns)], { casts });
  t.same(await table('casts', 'id, name, gift'), [['1', 'happy', true]]);
  await t.rejects(load([schema, 'casts'], [object(columns)], { casts: new Map([['nmae', true]]) }), {
    code: 64,
    message: /nmae/,
  });
});

t.test('a snapshot without rows empties no table unless it may', async (t) => {
  await load([schema, 'emptied'], [snapshot(named([1, 2], 'a'))], { mode: 'replace' });
  const none = snapshot(named([], null));
  await t.rejects(load([schema, 'emptied'], [none], { mode: 'replace' }), {
    code: 65,
    message: /the snapshot has no rows, and .*emptied" has some/,
    hint: /--allow-empty/,
  });
  t.equal((await table('emptied')).length, 2);
  await load([schema, 'emptied'], [none], { mode: 'replace', allowEmpty: true });
  t.equal((await table('emptied')).length, 0);
  t.equal(
    (await load([schema, 'emptied'], [snapshot(named([], 'b'))], { mode: 'replace' })).rows,
    0,
    'an empty one stays empty',
  );
});

t.test(
  'what depends on a table survives its replacement: views, foreign keys, indexes, triggers, grants, columns of its own',
  async (t) => {
    await load([schema, 'parent'], [snapshot(named([1, 2], 'a'))], { mode: 'replace' });
    await sql.query(`
    ALTER TABLE ${schema}.parent ADD COLUMN note text DEFAULT 'n';
    CREATE VIEW ${schema}.seen AS SELECT id FROM ${schema}.parent;
    CREATE MATERIALIZED VIEW ${schema}.kept AS SELECT id FROM ${schema}.parent;
    CREATE INDEX by_name ON ${schema}.parent (name);
    CREATE TABLE ${schema}.child (id int REFERENCES ${schema}.parent);
    INSERT INTO ${schema}.child VALUES (2);
    CREATE FUNCTION ${schema}.same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER same BEFORE UPDATE ON ${schema}.parent FOR EACH ROW EXECUTE FUNCTION ${schema}.same();
    GRANT SELECT (name), UPDATE ON ${schema}.parent TO pg_monitor;
    UPDATE ${schema}.parent SET note = 'mine';`);
    const state = async (): Promise<unknown> =>
      (
        await sql.query(`SELECT c.oid, c.relacl::text, array(SELECT attacl::text FROM pg_attribute WHERE attrelid = c.oid ORDER BY attnum),
       array(SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = c.oid ORDER BY 1),
       array(SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid ORDER BY 1) FROM pg_class c WHERE c.oid = '${schema}.parent'::regclass`)
      ).rows;
    const before = await state();
    await load([schema, 'parent'], [snapshot(named([2, 3], 'b'))], { mode: 'replace' });
    t.same(await state(), before);
    t.same(await table('parent', 'id, name, note'), [
      [2, 'b', 'mine'],
      [3, 'b', 'n'],
    ]);
    t.same(await table('seen', 'id'), [[2], [3]]);
    await t.rejects(
      load([schema, 'parent'], [snapshot(named([3], 'c'))], { mode: 'replace' }),
      { code: 65 },
      'a row that is referred to is not removed',
    );
    t.equal((await table('parent')).length, 2, 'and nothing else either');
  },
);

t.test('what is refused is named by file, row and key, and not quoted', async (t) => {
  await sql.query(`CREATE TABLE ${schema}.strict (id bigint PRIMARY KEY, name varchar(3) NOT NULL, small smallint)`);
  const rows = (name: string | null, small: number): Columns => ({
    id: [int, [11, 12]],
    name: [text, ['ok', name], VARCHAR9],
    small: [int, [1, small]],
  });
  const cases: readonly [what: string, columns: Columns, says: RegExp][] = [
    ['NULL', rows(null, 1), /a NULL arrived.*column name/],
    ['a long text', rows('secret', 1), /a text is longer than its column/],
    ['a large number', rows('ok', 77_777), /a number is outside the range/],
    ['a NUL', rows('s\0', 1), /the column name holds a NUL/],
  ];
  for (const [what, columns, says] of cases) {
    const receipt = object(columns);
    const { code, message } = (await load([schema, 'strict'], [receipt]).catch((error: unknown) => error)) as {
      code: number;
      message: string;
    };
    t.equal(code, 65, what);
    t.match(message, says);
    t.ok(message.includes(`${receipt.url}, row 2, key {"id":"12"}`), `${what}: ${message}`);
    t.notMatch(message, /secret|77777/);
  }
  t.equal((await table('strict', 'id')).length, 0);
});
