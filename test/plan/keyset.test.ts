/** Keyset conditions against a real server: pages of every size, put together, are the table. */
import fc from 'fast-check';
import t from 'tap';
import { type KeyColumn, after, beside } from '../../src/plan/keyset.js';
import { scratch } from './scratch.js';

t.setTimeout(60_000);
const db = await scratch('keyset');
t.teardown(() => db.drop());

const KEYS: Record<string, { columns: string; key: KeyColumn[]; rows: readonly (readonly unknown[])[] }> = {
  'a time with ties and a number beyond 2^53': {
    columns: 'ts DATETIME(6) NOT NULL, id BIGINT UNSIGNED NOT NULL PRIMARY KEY, KEY k (ts, id)',
    key: [
      { name: 'ts', type: 'datetime(6)' },
      { name: 'id', type: 'bigint(20) unsigned' },
    ],
    rows: Array.from({ length: 40 }, (_, i) => [
      `2024-01-01 00:00:00.00000${Math.floor(i / 9)}`,
      String(18446744073709551615n - BigInt((i * 7) % 40)),
    ]),
  },
  'a composite key of decimals and text in a collation': {
    columns:
      'd DECIMAL(30,10) NOT NULL, s VARCHAR(10) COLLATE utf8mb4_general_ci NOT NULL, n INT NOT NULL, PRIMARY KEY (d, s, n)',
    key: [
      { name: 'd', type: 'decimal(30,10)' },
      { name: 's', type: 'varchar(10)' },
      { name: 'n', type: 'int(11)' },
    ],
    rows: Array.from({ length: 40 }, (_, i) => [
      `12345678901234567890.000000000${i % 3}`,
      ['a', 'B', 'ß', "'", '\\', 'ä', 'z z', '⛵'][i % 8],
      i - 20,
    ]),
  },
  bytes: {
    columns: 'b BINARY(4) NOT NULL PRIMARY KEY',
    key: [{ name: 'b', type: 'binary(4)' }],
    rows: Array.from({ length: 40 }, (_, i) => [Buffer.from([i * 6, 0, 255 - i, 39])]),
  },
};

for (const [name, { columns, key, rows }] of Object.entries(KEYS)) {
  t.test(name, async (t) => {
    await db.run('DROP TABLE IF EXISTS keyed');
    await db.run(`CREATE TABLE keyed (${columns})`);
    await db.run('INSERT INTO keyed VALUES ?', [rows]);
    const names = key.map((column) => column.name).join(', ');
    const texts = key.map(({ name, type }) =>
      type.startsWith('binary') ? `CONCAT('0x', LOWER(HEX(${name})))` : `CAST(${name} AS CHAR)`,
    );
    const read = async (where: string, values: readonly string[], tail = ''): Promise<string[][]> => {
      const sql = `SELECT JSON_ARRAY(${texts.join(', ')}) AS p FROM keyed WHERE ${where} ORDER BY ${names}${tail}`;
      return (await db.run(sql, [...values])).map(
        (row) => (typeof row.p === 'string' ? JSON.parse(row.p) : row.p) as string[],
      );
    };
    const whole = await read('TRUE', []);
    t.equal(whole.length, 40);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 45 }), async (size) => {
        const seen: string[][] = [];
        for (let position: string[] | null = null; ; ) {
          const { sql, values } = after(key, position);
          const page = await read(sql, values, ` LIMIT ${size}`);
          seen.push(...page);
          if (page.length < size) break;
          position = page.at(-1) ?? null;
        }
        t.same(seen, whole);
      }),
      { numRuns: 12 },
    );
    for (const at of [0, 7, 20, 39]) {
      const position = whole[at] ?? [];
      for (const operator of ['<', '<=', '>', '>='] as const) {
        const { sql, values } = beside(key, operator, position);
        const expected = {
          '<': whole.slice(0, at),
          '<=': whole.slice(0, at + 1),
          '>': whole.slice(at + 1),
          '>=': whole.slice(at),
        };
        t.same(await read(sql, values), expected[operator], `${operator} row ${at}`);
      }
    }
  });
}

t.test('a prefix stands for all rows that begin with it', (t) => {
  const key = [
    { name: 'a', type: 'int' },
    { name: 'b', type: 'int' },
  ];
  t.same(after(key, ['5']), { sql: '`a` >= ?', values: ['5'] });
  t.same(after(key, ['5', '6']), { sql: '(`a` > ? OR (`a` = ? AND `b` > ?))', values: ['5', '5', '6'] });
  t.same(beside(key, '<', ['5']), { sql: '`a` < ?', values: ['5'] });
  t.end();
});

t.test(
  'a value that is none of the column, and a position that does not fit, are refused before the server sees them',
  (t) => {
    t.throws(() => after([{ name: 'a', type: 'int(11)' }], ['1 OR 1=1']), /position/);
    t.throws(() => after([{ name: 'a', type: 'datetime(6)' }], ['None']), /position/);
    t.throws(() => after([{ name: 'a', type: 'binary(16)' }], ['abc']), /position/);
    t.throws(() => after([{ name: 'a', type: 'decimal(10,2)' }], ['1e5']), /position/);
    t.throws(() => after([{ name: 'a', type: 'int(11)' }], ['1', '2']), /position/);
    t.end();
  },
);
