/** The command line of rs-ddl: tables for both warehouses, from files and streams, and the way from a live table. */
import { Decimal, Int64, TimestampMicrosecond, Utf8 } from 'apache-arrow';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { type Columns, stored } from '../load/loader.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';
import { scratchSchema } from '../support/scratch-schema.js';

t.setTimeout(120_000);
const { schema, folder, sql } = await scratchSchema(t, 'rs_ddl');

const utf8 = new Utf8();
const columns: Columns = {
  id: [new Int64(), [1n], 'bigint(20)'],
  code: [utf8, ['a'], 'varchar(10) character set ascii'],
  name: [utf8, ['ä'], 'varchar(20) character set utf8mb4'],
  city: [utf8, ['ö'], 'char(10) character set latin1'],
  note: [utf8, [null], 'text character set utf8mb4'],
  kind: [utf8, ['ü'], "enum('a','grün') character set utf8mb4"],
  doc: [utf8, ['{}'], 'json'],
  amount: [new Decimal(2, 12, 128), [new Uint32Array([5, 0, 0, 0])], 'decimal(12,2)'],
  update_at: [new TimestampMicrosecond(), [1], 'datetime(6)'],
};
const file = stored(folder, columns, { cursorColumns: ['update_at', 'id'] }).url.slice('file://'.length);

function rsDdl(
  words: readonly string[],
  stdin: string | Uint8Array = '',
  warehouse = servers().warehouseUrl,
): Promise<Ended> {
  return run('rs-ddl', words, { env: { TABLEPIPE_WAREHOUSE_URL: warehouse, HOME: folder }, stdin });
}

const printed = async (words: readonly string[], stdin: string | Uint8Array = ''): Promise<string> =>
  demandCode(await rsDdl(words, stdin)).stdout.toString();

t.test('redshift: bytes, compression, a key that informs, distribution by it and order by the cursor', async (t) => {
  const offline = demandCode(await rsDdl([file, '--target', 'redshift'], '', 'postgres://nobody@127.0.0.1:1/none'));
  t.equal(
    offline.stdout.toString(),
    `CREATE TABLE "shop"."orders" (
  "id" BIGINT NOT NULL ENCODE AZ64,
  "code" VARCHAR(10) ENCODE ZSTD,
  "name" VARCHAR(80) ENCODE ZSTD,
  "city" VARCHAR(30) ENCODE ZSTD,
  "note" VARCHAR(65535) ENCODE ZSTD,
  "kind" VARCHAR(5) ENCODE ZSTD,
  "doc" SUPER ENCODE ZSTD,
  "amount" DECIMAL(12,2) ENCODE AZ64,
  "update_at" TIMESTAMP ENCODE AZ64,
  PRIMARY KEY ("id")
) DISTKEY ("id") COMPOUND SORTKEY ("update_at", "id");
`,
    'and the warehouse was not asked',
  );
  const append = await printed([file, '--target', 'redshift', '--append', '--table', 'Analytics.Orders']);
  t.match(append, /^CREATE TABLE "analytics"."orders"/);
  t.notMatch(append, /PRIMARY KEY/);
  t.match(append, /DISTKEY \("id"\)/);
  t.match(
    await printed([file, '--target', 'redshift', '--key', 'doc', '--key', 'code']),
    /DISTKEY \("code"\)/,
    'SUPER distributes nothing',
  );
});

t.test('postgres: what it prints, the server takes', async (t) => {
  const text = await printed([file, '--table', `${schema}.made`, '--cast', 'note=varchar(99)']);
  await sql.query(text);
  const { rows } = await sql.query({
    text: `SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = '${schema}.made'::regclass AND attnum > 0 ORDER BY attnum`,
    rowMode: 'array',
  });
  t.same(rows, [
    ['id', 'bigint', true],
    ['code', 'character varying(10)', false],
    ['name', 'character varying(20)', false],
    ['city', 'character varying(10)', false],
    ['note', 'character varying(99)', false],
    ['kind', 'text', false],
    ['doc', 'jsonb', false],
    ['amount', 'numeric(12,2)', false],
    ['update_at', 'timestamp without time zone', false],
  ]);
  t.match(text, /PRIMARY KEY \("id"\)/);
});

t.test('--diff prints the ALTERs that are missing, and nothing when none is', async (t) => {
  const words = [file, '--table', `${schema}.live`, '--diff'];
  t.match(await printed(words), /^CREATE TABLE .*"live"/, 'no table: all of it');
  await sql.query(`CREATE TABLE ${schema}.live (id bigint PRIMARY KEY, code varchar(5) NOT NULL, city text, own text)`);
  const before = (await sql.query(`SELECT count(*) FROM pg_attribute`)).rows;
  const alters = await printed(words);
  t.same((await sql.query(`SELECT count(*) FROM pg_attribute`)).rows, before, 'printed, not done');
  t.same(
    alters
      .trim()
      .split('\n')
      .map((line) => line.replace(`ALTER TABLE "${schema}"."live" `, '')),
    [
      'ALTER COLUMN "code" TYPE varchar(10);',
      'ALTER COLUMN "code" DROP NOT NULL;',
      'ADD COLUMN "name" varchar(20);',
      'ADD COLUMN "note" text;',
      'ADD COLUMN "kind" text;',
      'ADD COLUMN "doc" jsonb;',
      'ADD COLUMN "amount" numeric(12,2);',
      'ADD COLUMN "update_at" timestamp;',
    ],
  );
  await sql.query(alters);
  t.equal(await printed(words), '');
  await sql.query(`ALTER TABLE ${schema}.live ALTER COLUMN amount TYPE date USING NULL`);
  t.match(
    demandCode(await rsDdl(words), 65).stderr,
    /amount is date, the files have numeric\(12,2\)/,
    'no ALTER leads there',
  );
});

t.test('Parquet and Arrow on stdin; a stream that was cut has told nothing', async (t) => {
  const whole = await printed([file, '--target', 'redshift']);
  t.equal(await printed(['-', '--target', 'redshift'], readFileSync(file)), whole);
  const env = { TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl };
  const arrow = await pipeline(
    `from-parquet --format arrow ${file} | tee ${folder}/rows.arrow | rs-ddl --target redshift`,
    { env },
  );
  t.equal(demandStatus(arrow).stdout, whole);
  const bytes = readFileSync(`${folder}/rows.arrow`);
  const cut = demandCode(await rsDdl(['--target', 'redshift'], bytes.subarray(0, bytes.length / 2)), 82);
  t.equal(cut.stdout.length, 0);
});

t.test('refusals say what to do', async (t) => {
  const cases: readonly [words: readonly string[], code: number, says: RegExp][] = [
    [[file, file], 64, /one file expected/],
    [[`${folder}/absent.parquet`], 66, /absent\.parquet/],
    [[file, '--target', 'mysql'], 64, /postgres, redshift/],
    [[file, '--diff', '--target', 'redshift'], 64, /the warehouse is postgres/],
    [[file, '--table', 'orders'], 64, /SCHEMA\.TABLE/i],
    [[file, '--cast', 'absent=text'], 64, /no such column/],
    [[file, '--cast', 'note=text; DROP TABLE x'], 64, /COLUMN=TYPE/],
    [[file, '--key', 'absent'], 65, /key column absent/],
  ];
  for (const [words, code, says] of cases) t.match(demandCode(await rsDdl(words), code).stderr, says, words.join(' '));
});
