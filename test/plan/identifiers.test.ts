/** Ten thousand generated names of columns, tables and databases go to the server and come back as they are. */
import mysql from 'mysql2';
import t from 'tap';
import { type Policies, columnPlan } from '../../src/column/from-mysql.js';
import { MysqlSession } from '../../src/mysql-session.js';
import { describeTable } from '../../src/plan/catalogue.js';
import { planTable } from '../../src/plan/extract.js';
import { qualifiedName, quotedName } from '../../src/plan/identifier.js';
import { statement } from '../../src/plan/read-plan.js';
import { queryBatches } from '../../src/source/mysql-batches.js';
import { servers } from '../support/servers.js';
import { scratch } from './scratch.js';

const NAMES = 10_000;
/** What a server allows in one table is 1,017 columns. */
const COLUMNS = 500;

/** Pieces that end, begin or escape something in SQL, JSON, a shell or a terminal. */
const PIECES = [
  ...[
    '`',
    '``',
    "'",
    '"',
    '\\',
    '\\\\',
    ';',
    '--',
    '-- ',
    '#',
    '/*',
    '*/',
    '/*!',
    '?',
    '??',
    ':a',
    '@',
    '@@',
    '%s',
    '$1',
  ],
  ...[
    '\n',
    '\r\n',
    '\t',
    '\x01',
    '\x1b[31m',
    '\x7f',
    '{',
    '}',
    '[',
    ']',
    ',',
    '.',
    '..',
    '/',
    '&',
    '|',
    '$(x)',
    '${x}',
  ],
  ...['a', 'Z', '0', '_', ' x', 'SELECT', 'NULL', 'ä', 'ß', 'é', '日', '\u200b', '\u202e', '\ufeff', '\uffff', '１'],
];

let seed = 20_261_125;
function random(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed % below;
}

/** A name of up to 64 characters; MySQL allows everything but NUL, characters beyond the BMP and a space at the end. */
function hostileName(taken: Set<string>): string {
  for (;;) {
    let name = '';
    for (let pieces = 1 + random(12); pieces > 0; pieces -= 1) name += PIECES[random(PIECES.length)];
    if (random(50) === 0) name = name.repeat(64);
    name = name.slice(0, 64).replace(/\s+$/, '');
    // Names that a collation takes for equal cannot stand in one table.
    const folded = name
      .normalize('NFKD')
      .replaceAll(/[\p{M}\p{C}\uffff]/gu, '')
      .toLowerCase();
    if (name === '' || folded === '' || taken.has(folded)) continue;
    taken.add(folded);
    return name;
  }
}

t.setTimeout(120_000);
const db = await scratch('names');
const connection = mysql.createConnection(servers().mysqlUrl);
const session = new MysqlSession(connection, db.mariadb ? '10.11-MariaDB' : '9.0', 60_000);
t.teardown(async () => {
  await session.end();
  await db.drop();
});

const FAIL: Policies = { zeroDates: 'fail', badValues: 'fail' };
const EVERYTHING = {
  cursor: [],
  since: { from: 'start' },
  until: { kind: 'none' },
  order: 'key',
  columns: null,
  exclude: [],
  where: undefined,
  shard: null,
  pageRows: 100,
  allowFullScan: false,
  policies: FAIL,
} as const;

t.test(`${NAMES} hostile names`, async (t) => {
  const { signal } = new AbortController();
  let seen = 0;
  for (let tables = 0; tables < NAMES / COLUMNS; tables += 1) {
    const taken = new Set<string>();
    const names = Array.from({ length: COLUMNS }, () => hostileName(taken));
    // A table is a file, whose name has five bytes for every character that is no letter: 255 in all.
    const table = hostileName(new Set()).slice(0, 40).trimEnd();
    const place = { schema: db.name, table };
    const [first = ''] = names;
    const columns = names.map((name) => `${quotedName(name)} SMALLINT NOT NULL`).join(', ');
    await db.sql.query(
      `CREATE TABLE ${qualifiedName(place)} (${columns}, PRIMARY KEY (${quotedName(first)})) ROW_FORMAT=DYNAMIC`,
    );
    await db.sql.query(`INSERT INTO ${qualifiedName(place)} VALUES (${names.map((_, index) => index).join(', ')})`);

    const found = await describeTable(session.ask, db.mariadb, db.name, table);
    if (!found) throw new Error(`no table ${JSON.stringify(table)}`);
    const { plan } = await planTable(session, found, EVERYTHING, signal);
    const { sql, values } = statement(plan, ['-1'], 10);
    const query = {
      table: plan.table,
      plans: plan.columns,
      position: [0],
      key: [0],
      limits: { rows: 9, bytes: 1 << 20 },
    };
    for await (const { batch } of queryBatches(connection, { ...query, sql, values }, signal)) {
      const wrong = names.filter(
        (name, index) => batch.schema.names[index] !== name || batch.getChildAt(index)?.get(0) !== index,
      );
      if (wrong.length > 0) t.same(wrong.slice(0, 5), [], 'every name with its own value');
      seen += names.length - wrong.length;
    }
    await db.sql.query(`DROP TABLE ${qualifiedName(place)}`);
  }
  t.equal(seen, NAMES);
  t.equal(
    columnPlan({ table: 's.t', name: '`', type: 'int', nullable: false, charset: null }, FAIL).selectExpression,
    '````',
  );
});
