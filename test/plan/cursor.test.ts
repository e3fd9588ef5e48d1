/** Which cursor a table gets, and every reason to refuse one, against a real catalogue. */
import t from 'tap';
import { Failure } from '../../src/errors.js';
import type { Ask, Row } from '../../src/mysql-session.js';
import { type Table, describeTable } from '../../src/plan/catalogue.js';
import { cursorColumns, demandNoNulls } from '../../src/plan/cursor.js';
import { createIndex, demandIndex } from '../../src/plan/ordering-index.js';
import { scratch } from './scratch.js';

const db = await scratch('cursor');
t.teardown(() => db.drop());

const ask: Ask = async (sql, values = []) => {
  const typeCast = (field: { string(): string | null }): string | null => field.string();
  return (await db.sql.query({ sql, values: [...values], typeCast } as never))[0] as unknown as Row[];
};

async function table(definition: string): Promise<Table> {
  await db.run('DROP TABLE IF EXISTS x');
  await db.run(`CREATE TABLE x (${definition}) ENGINE=InnoDB`);
  const found = await describeTable(ask, db.mariadb, db.name, 'x');
  if (!found) throw new Error('the table is not there');
  return found;
}

const names = (found: Table, wanted: string[] | null = null): string[] =>
  cursorColumns(found, wanted).map(({ name }) => name);

function refusal(work: () => unknown): Failure {
  try {
    work();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

async function rejection(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'nothing was refused',
    (error: unknown) => error,
  );
}

const ID = 'id BIGINT NOT NULL PRIMARY KEY';
const TIME = 'DATETIME(6) NOT NULL';

t.test('the time of change is found by its name, then by ON UPDATE, and completed by the primary key', async (t) => {
  for (const name of ['update_at', 'updated_at', 'updatedAt', 'LAST_MODIFIED', 'gmt_modified', 'mtime']) {
    t.same(names(await table(`${ID}, created_at ${TIME}, ${name} ${TIME}, KEY (${name})`)), [name, 'id']);
  }
  t.same(names(await table(`${ID}, touched TIMESTAMP(3) NOT NULL DEFAULT NOW(3) ON UPDATE NOW(3)`)), ['touched', 'id']);
  t.same(names(await table(`a INT, b INT, update_at ${TIME}, PRIMARY KEY (b, a)`)), ['update_at', 'b', 'a']);
  t.same(names(await table(`a INT NOT NULL UNIQUE, update_at ${TIME}`)), ['update_at', 'a']);
});

t.test('names asked for are completed only when they are not unique', async (t) => {
  const found = await table(`${ID}, n INT NOT NULL UNIQUE, update_at ${TIME}`);
  t.same(names(found, ['ID']), ['id']);
  t.same(names(found, ['n']), ['n']);
  t.same(names(found, ['update_at', 'n']), ['update_at', 'n']);
  t.same(names(found, ['update_at']), ['update_at', 'id']);
});

t.test('several times, none, or no key: an error that says what to type', async (t) => {
  const twoTimes = await table(`${ID}, update_at ${TIME}, updated_at ${TIME}`);
  const noTime = await table(`${ID}, created DATETIME`);
  const noKey = await table(`update_at ${TIME}`);
  const two = refusal(() => cursorColumns(twoTimes, null));
  t.match(two, { kind: 'usage', message: /several columns.*update_at, updated_at/, hint: /--cursor update_at/ });
  t.match(
    refusal(() => cursorColumns(noTime, null)),
    { kind: 'usage', hint: /--cursor id .*--cursor none/ },
  );
  t.match(
    refusal(() => cursorColumns(noKey, null)),
    { kind: 'config', hint: /ALTER TABLE .* PRIMARY KEY/ },
  );
  t.match(
    refusal(() => cursorColumns(noKey, ['nope'])),
    { kind: 'no-input', hint: /update_at/ },
  );
});

t.test('types that do not survive as text are refused', async (t) => {
  for (const type of ['FLOAT', 'DOUBLE', 'BIT(8)', "ENUM('a')", "SET('a')", 'TEXT', 'BLOB', 'POINT', 'JSON']) {
    const found = await table(`${ID}, x ${type} NOT NULL`);
    t.match(
      refusal(() => cursorColumns(found, ['x'])),
      { kind: 'config', message: /cannot be a cursor/ },
      type,
    );
  }
});

t.test('an index counts when it delivers the order, the primary key InnoDB appends included', async (t) => {
  const forced = async (keys: string, allow = false): Promise<string | null> => {
    const found = await table(`${ID}, other INT, update_at ${TIME}${keys}`);
    return demandIndex(found, cursorColumns(found, null), allow);
  };
  t.equal(await forced(', KEY k (update_at)'), 'k');
  t.equal(await forced(', KEY k (update_at, id)'), 'k');
  t.equal(await forced(', KEY bad (update_at, other), KEY good (update_at, id, other)'), 'good');
  t.equal(await forced('', true), null);
  const flaws: [string, RegExp][] = [
    ['', /no index begins with `update_at`/],
    [', KEY k (other, update_at)', /no index begins/],
    [', KEY k (update_at, other)', /has the order `update_at`, `other`, `id`/],
    [', KEY k (update_at DESC, id)', /descending/],
    [`, KEY k (update_at, id) ${db.mariadb ? 'IGNORED' : 'INVISIBLE'}`, /invisible/],
  ];
  for (const [keys, why] of flaws) {
    t.match(
      await rejection(forced(keys)),
      { kind: 'config', message: why, hint: /CREATE INDEX `idx_x_update_at_id` ON .*allow-full-scan/ },
      keys,
    );
  }
});

t.test('a prefix index is recognised', async (t) => {
  const found = await table(`${ID}, code VARCHAR(100) NOT NULL, KEY k (code(10))`);
  t.match(
    refusal(() => demandIndex(found, cursorColumns(found, ['code']), false)),
    { message: /only the beginning of `code`/ },
  );
});

t.test('the printed CREATE INDEX works and is then used', async (t) => {
  const found = await table(`${ID}, update_at ${TIME}`);
  const columns = cursorColumns(found, null);
  await db.run(createIndex(found, columns));
  const again = await describeTable(ask, db.mariadb, db.name, 'x');
  t.equal(again && demandIndex(again, columns, false), 'idx_x_update_at_id');
});

t.test('NULL in a cursor column is an error only when it is there', async (t) => {
  const found = await table(`${ID}, update_at DATETIME NULL, KEY (update_at)`);
  const columns = cursorColumns(found, null);
  await demandNoNulls(ask, found, columns);
  await db.run('INSERT INTO x VALUES (1, NULL)');
  t.match(await rejection(demandNoNulls(ask, found, columns)), {
    kind: 'config',
    hint: /UPDATE .* WHERE `update_at` IS NULL/,
  });
});

t.test('hostile names are only names', async (t) => {
  const odd = 'a`b"c\'d;--\n⛵';
  const found = await table(
    `\`${odd.replaceAll('`', '``')}\` INT NOT NULL PRIMARY KEY, update_at ${TIME}, KEY (update_at)`,
  );
  t.same(names(found), ['update_at', odd]);
  t.equal(demandIndex(found, cursorColumns(found, null), false), 'update_at');
});

t.test('JSON is told from LONGTEXT', async (t) => {
  const found = await table(`${ID}, j JSON, l LONGTEXT`);
  t.same(
    found.columns.map(({ type }) => type),
    [db.mariadb ? 'bigint(20)' : 'bigint', 'json', 'longtext'],
  );
});
