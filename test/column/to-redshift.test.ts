/** Redshift's type for every column, and the CREATE TABLE of them, which the double has to take as it is. */
import {
  Binary,
  Bool,
  DataType,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  TimestampMicrosecond,
  Uint16,
  Utf8,
} from 'apache-arrow';
import t from 'tap';
import type { SourceColumn } from '../../src/column/source-column.js';
import { toRedshift } from '../../src/column/to-redshift.js';
import { REDSHIFT_NAMES, storedName, storedNames, storedTable } from '../../src/load/name.js';
import { ledgerOf } from '../../src/load/ledger.js';
import { createRedshiftTable } from '../../src/load/redshift-ddl.js';
import type { PlannedColumn } from '../../src/load/warehouse.js';
import { startCluster } from '../redshift-double/cluster.js';

const column = (
  name: string,
  arrow: DataType,
  mysqlType: string | null = null,
  charset: string | null = null,
): SourceColumn => ({ name, nullable: true, arrow, mysqlType, charset });

/** MySQL type, character set, Arrow type, Redshift type; the staging type where it is another. */
const TYPES: readonly (readonly [string | null, string | null, DataType, string, string?])[] = [
  ['tinyint(1)', null, new Bool(), 'BOOLEAN'],
  ['smallint', null, new Int16(), 'SMALLINT'],
  ['int', null, new Int32(), 'INTEGER'],
  ['bigint', null, new Int64(), 'BIGINT'],
  ['float', null, new Float32(), 'REAL'],
  ['double', null, new Float64(), 'DOUBLE PRECISION'],
  ['decimal(5,2)', null, new Decimal(2, 5, 128), 'DECIMAL(10,2)'],
  ['decimal(9,9)', null, new Decimal(9, 9, 128), 'DECIMAL(10,9)'],
  ['decimal(18,0)', null, new Decimal(0, 18, 128), 'DECIMAL(18,0)'],
  ['decimal(19,4)', null, new Decimal(4, 19, 128), 'DECIMAL(20,4)'],
  ['decimal(38,30)', null, new Decimal(30, 38, 128), 'DECIMAL(38,30)'],
  ['decimal(65,30)', null, new Utf8(), 'VARCHAR(68)'],
  ['date', null, new DateDay(), 'DATE'],
  ['datetime(6)', null, new TimestampMicrosecond(), 'TIMESTAMP'],
  ['timestamp', null, new TimestampMicrosecond('UTC'), 'TIMESTAMPTZ'],
  ['time(6)', null, new Utf8(), 'VARCHAR(18)'],
  ['varchar(20)', 'utf8mb4', new Utf8(), 'VARCHAR(80)'],
  ['varchar(20)', 'latin1', new Utf8(), 'VARCHAR(60)'],
  ['varchar(20)', 'ascii', new Utf8(), 'VARCHAR(20)'],
  ['varchar(0)', 'ascii', new Utf8(), 'VARCHAR(1)'],
  ['varchar(16383)', 'utf8mb4', new Utf8(), 'VARCHAR(65532)'],
  ['varchar(21844)', 'utf8mb4', new Utf8(), 'VARCHAR(65535)'],
  ['char(255)', 'gb18030', new Utf8(), 'VARCHAR(1020)'],
  ['tinytext', 'utf8mb4', new Utf8(), 'VARCHAR(255)'],
  ['tinytext', 'sjis', new Utf8(), 'VARCHAR(765)'],
  ['longtext', 'utf8mb4', new Utf8(), 'VARCHAR(65535)'],
  ["enum('a','äö','it''s')", 'utf8mb4', new Utf8(), 'VARCHAR(4)'],
  ["set('a','bc','ü')", 'utf8mb4', new Utf8(), 'VARCHAR(7)'],
  ["enum('')", 'utf8mb4', new Utf8(), 'VARCHAR(1)'],
  ['uuid', null, new Utf8(), 'VARCHAR(36)'],
  ['inet4', null, new Utf8(), 'VARCHAR(15)'],
  ['inet6', null, new Utf8(), 'VARCHAR(45)'],
  ['json', 'utf8mb4', new Utf8(), 'SUPER', 'VARCHAR(65535)'],
  ['json', 'utf8mb4', new Binary(), 'SUPER', 'VARBYTE(16777216)'],
  ['binary(16)', null, new Binary(), 'VARBYTE(16)'],
  ['varbinary(0)', null, new Binary(), 'VARBYTE(1)'],
  ['tinyblob', null, new Binary(), 'VARBYTE(255)'],
  ['blob', null, new Binary(), 'VARBYTE(65535)'],
  ['longblob', null, new Binary(), 'VARBYTE(16777216)'],
  ['vector(3)', null, new Binary(), 'VARBYTE(12)'],
  ['geometry', null, new Binary(), 'VARBYTE(16777216)'],
  [null, null, new Utf8(), 'VARCHAR(65535)'],
  [null, null, new Binary(), 'VARBYTE(16777216)'],
];

t.test('each type at its edges', async (t) => {
  for (const [mysql, charset, arrow, type, staging = type] of TYPES) {
    t.match(
      toRedshift(column('c', arrow, mysql, charset)),
      { type, staging, json: type === 'SUPER' },
      `${mysql} ${charset}`,
    );
  }
});

t.test('what COPY is not known to load is refused by name', async (t) => {
  for (const arrow of [new Int8(), new Uint16()]) {
    t.throws(() => toRedshift(column('odd', arrow)), { kind: 'config', message: /column odd has the type/ });
  }
});

t.test('the table of them is one the double takes: types, ENCODE, keys, distribution, order', async (t) => {
  const cluster = await startCluster(t);
  const columns = TYPES.map(([mysql, charset, arrow, type], at): PlannedColumn => {
    const source = column(`c${at}`, arrow, mysql, charset);
    return { source, name: `c${at}`, nullable: true, type, staging: type, fit: 'same', value: (text) => text };
  });
  const [blob, at, key] = ['varbinary(0)', 'datetime(6)', 'bigint'].map(
    (mysql) => `c${TYPES.findIndex(([one]) => one === mysql)}`,
  ) as [string, string, string];
  const plan = {
    target: { schema: 'public', table: 'all_types' },
    columns,
    key: [blob, key],
    cursor: [at, blob, key],
    mode: 'upsert',
    exists: false,
    enforced: false,
    softDelete: 'gone_at',
  } as const;
  const sql = createRedshiftTable(plan);
  await cluster.sql(sql);
  t.match(sql, `PRIMARY KEY ("${blob}", "${key}")`);
  const keys = await cluster.sql(
    "SELECT \"column\", distkey, sortkey FROM pg_table_def WHERE tablename = 'all_types' AND (distkey = 't' OR sortkey <> 0) ORDER BY sortkey",
  );
  t.same(
    keys,
    [
      [at, 'f', '1'],
      [key, 't', '2'],
    ],
    'bytes can be neither: the first key column that can is where rows meet',
  );
  const encoded = await cluster.sql(
    'SELECT "column", encoding FROM pg_table_def WHERE tablename = \'all_types\' ORDER BY "column"',
  );
  for (const [name, encoding] of encoded) {
    const found = columns.find((one) => one.name === name);
    if (found)
      t.equal(encoding?.replace('none', 'raw'), toRedshift(found.source).encode.toLowerCase(), `${found.type}`);
  }
  const appended = createRedshiftTable({ ...plan, mode: 'append', softDelete: null });
  t.notMatch(appended, /PRIMARY KEY|gone_at/, 'versions stand side by side');
});

t.test('names: ASCII is folded, 127 bytes are kept, two that meet are refused', async (t) => {
  const stored = (...names: string[]): string[] => [...storedNames(REDSHIFT_NAMES, names).values()];
  t.same(stored('OrderId', 'GRÖSSE', 'with "quotes"'), ['orderid', 'grÖsse', 'with "quotes"']);
  t.throws(() => stored('OrderId', 'orderid'), { kind: 'data', message: /OrderId and orderid would both be orderid/ });
  const long = `${'n'.repeat(126)}é`;
  t.same(stored(long), ['n'.repeat(126)], 'a character is never cut');
  t.throws(() => stored(`${'n'.repeat(127)}a`, `${'n'.repeat(127)}b`), { kind: 'data', message: /would both be/ });
  for (const name of ['oid', 'XMIN', 'ctid'])
    t.throws(() => stored(name), { kind: 'data', message: /no column can be named/ });
  t.equal(storedName(REDSHIFT_NAMES, 'é'.repeat(64)), 'é'.repeat(63), '126 bytes');
  t.throws(() => storedTable(REDSHIFT_NAMES, { schema: 's', table: 'x'.repeat(128) }), {
    kind: 'usage',
    message: /longer than the 127 bytes/,
  });
  const [one, other] = ['a', 'b'].map((last) =>
    ledgerOf(REDSHIFT_NAMES, { schema: 's', table: 'x'.repeat(126) + last }),
  );
  t.equal(Buffer.byteLength(one?.table ?? ''), 127);
  t.not(one?.table, other?.table, 'ledgers of long names do not meet');
});
