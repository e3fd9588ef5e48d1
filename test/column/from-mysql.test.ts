import t from 'tap';
import { MYSQL_TYPES, type Policies, columnPlan, schemaOfPlans } from '../../src/column/from-mysql.js';
import { columnOfCatalogue, columnOfField, mysqlType } from '../../src/column/mysql-column.js';
import { Failure } from '../../src/errors.js';

/** Written out on purpose: MySQL type -> Arrow type, as the streams promise. */
const EXPECTED: Readonly<Record<string, string>> = {
  'tinyint(4)': 'Int16',
  'tinyint(1)': 'Int16',
  'tinyint(3) unsigned': 'Int16',
  'smallint(6)': 'Int16',
  'smallint(5) unsigned': 'Int32',
  'mediumint(9)': 'Int32',
  'mediumint(8) unsigned': 'Int32',
  'int(11)': 'Int32',
  'int(10) unsigned': 'Int64',
  'int(10) unsigned zerofill': 'Int64',
  bigint: 'Int64',
  'bigint(20) unsigned': 'Decimal[20e0]',
  'decimal(10,2)': 'Decimal[10e+2]',
  'decimal(38,30) unsigned': 'Decimal[38e+30]',
  'decimal(39,0)': 'Utf8',
  'decimal(65,30)': 'Utf8',
  float: 'Float32',
  'float(7,3)': 'Float32',
  'float unsigned': 'Float32',
  double: 'Float64',
  'double(20,3)': 'Float64',
  'bit(1)': 'Bool',
  'bit(2)': 'Int64',
  'bit(63)': 'Int64',
  'bit(64)': 'Decimal[20e0]',
  'year(4)': 'Int16',
  date: 'Date32<DAY>',
  'datetime(6)': 'Timestamp<MICROSECOND>',
  timestamp: 'Timestamp<MICROSECOND, UTC>',
  'time(6)': 'Utf8',
  'char(3)': 'Utf8',
  'varchar(200)': 'Utf8',
  'varchar(200) /*M!100301 COMPRESSED*/': 'Utf8',
  tinytext: 'Utf8',
  text: 'Utf8',
  mediumtext: 'Utf8',
  longtext: 'Utf8',
  "enum('a','b''c, (d)')": 'Utf8',
  "set('x','y')": 'Utf8',
  json: 'Utf8',
  uuid: 'Utf8',
  inet4: 'Utf8',
  inet6: 'Utf8',
  'binary(16)': 'Binary',
  'varbinary(16)': 'Binary',
  tinyblob: 'Binary',
  blob: 'Binary',
  mediumblob: 'Binary',
  longblob: 'Binary',
  geometry: 'Binary',
  point: 'Binary',
  linestring: 'Binary',
  polygon: 'Binary',
  multipoint: 'Binary',
  multilinestring: 'Binary',
  multipolygon: 'Binary',
  geometrycollection: 'Binary',
  geomcollection: 'Binary',
  'vector(3)': 'Binary',
};

const FAIL = { zeroDates: 'fail', badValues: 'fail' } as const;
const column = (type: string, nullable = false) => ({ table: 's.t', name: 'c`1', type, nullable, charset: null });

const arrowName = (type: string, policies: Policies): string => {
  const { arrow } = columnPlan(column(type), policies);
  return `${arrow as unknown as string}`;
};

t.test('every type has its Arrow type', async (t) => {
  for (const [type, arrow] of Object.entries(EXPECTED)) {
    t.equal(arrowName(type, FAIL).replace('Timestamp<MICROSECOND, null>', 'Timestamp<MICROSECOND>'), arrow, type);
  }
  t.same([...new Set(Object.keys(EXPECTED).map((type) => mysqlType(type).base))].sort(), [...MYSQL_TYPES].sort());
});

t.test('an unknown type is refused by table, column and type', async (t) => {
  for (const type of ['xmltype', 'constructor', '', 'int8range(3)']) {
    try {
      columnPlan(column(type), FAIL);
      t.fail(type);
    } catch (error) {
      t.match(error, { kind: 'config', message: `s.t: column \`c\`1\` has type ${type}` });
      t.ok(error instanceof Failure);
    }
  }
});

t.test('what loses digits as text is selected through an expression; names are quoted', async (t) => {
  t.equal(columnPlan(column('float'), FAIL).selectExpression, '`c``1`+0e0 AS `c``1`');
  t.equal(columnPlan(column('double(20,3)'), FAIL).selectExpression, '`c``1`+0e0 AS `c``1`');
  t.equal(columnPlan(column('double'), FAIL).selectExpression, '`c``1`');
});

t.test('a policy that can put a null makes the column nullable', async (t) => {
  t.equal(columnPlan(column('date'), FAIL).nullable, false);
  t.equal(columnPlan(column('date'), { zeroDates: 'null', badValues: 'fail' }).nullable, true);
  t.equal(columnPlan(column('text'), { zeroDates: 'null', badValues: 'fail' }).nullable, false);
  t.equal(columnPlan(column('text'), { zeroDates: 'fail', badValues: 'null' }).nullable, true);
  t.equal(arrowName('datetime', { zeroDates: 'text', badValues: 'fail' }), 'Utf8');
});

t.test('the field carries the MySQL type and the character set', async (t) => {
  const row = { column_name: 'v', column_type: 'varchar(20)', is_nullable: 'NO', character_set_name: 'latin1' };
  const plan = columnPlan(columnOfCatalogue('s.t', row), FAIL);
  const [field] = schemaOfPlans([plan]).fields;
  t.same(
    [...(field?.metadata ?? [])],
    [
      ['mysql_type', 'varchar(20)'],
      ['mysql_charset', 'latin1'],
    ],
  );
  t.equal(columnOfCatalogue('s.t', { ...row, column_type: 'longtext' }, true).type, 'json');
});

t.test('a type number nobody knows is refused; a NULL of no type says how to give it one', async (t) => {
  const field = { name: 'n', flags: 0, decimals: 0, columnLength: 0 };
  t.throws(() => columnOfField('q', { ...field, columnType: 6 }), {
    message: /type number 6/,
    hint: /CAST\(NULL AS CHAR\)/,
  } as object as Error);
  t.throws(() => columnOfField('q', { ...field, columnType: 200 }), { message: /^q: column `n` has type number 200/ });
  t.equal(columnOfField('q', { ...field, columnType: 246, decimals: 2, columnLength: 12 }).type, 'decimal(10,2)');
});
