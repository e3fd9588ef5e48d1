/** The command line of rs-copy against a real PostgreSQL: every mode, both feeds, and what it refuses. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Receipt } from '../../src/receipt.js';
import { type ObjectFacts, receiptStream } from '../load/objects.js';
import { type Row, orders as storedOrders } from '../load/rows.js';
import { type Ended, demandCode, run } from '../support/program.js';
import { connectTarget, servers } from '../support/servers.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(180_000);
const folder = mkdtempSync(join(tmpdir(), 'rs-copy-'));
const schema = `rs_copy_${process.pid}`;
const sql = await connectTarget();
t.teardown(async () => {
  await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});

/** An object of rows, each spelled `id name at`. */
function orders(rows: readonly string[], facts: ObjectFacts = {}): Receipt {
  const spelled = rows.map((row): Row => {
    const [id, name, at] = row.split(' ');
    return [Number(id), name === 'NULL' ? null : (name ?? ''), Number(at)];
  });
  return storedOrders(folder, spelled, 0, facts);
}

/** What s3-put prints after a read of the whole table. */
const snapshot = (...rows: readonly string[]): string =>
  receiptStream([orders(rows, { read: 'snapshot' })], 'snapshot');

function rsCopy(words: readonly string[], stdin: string): Promise<Ended> {
  return run('rs-copy', words, { env: { TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl, HOME: folder }, stdin });
}

async function table(name: string): Promise<unknown[]> {
  return (await sql.query({ text: `SELECT id, name FROM ${schema}.${name} ORDER BY id`, rowMode: 'array' })).rows;
}

const lines = (ended: Ended): Record<string, unknown>[] => jsonLines(ended.stdout);

t.test('creates, loads once, and finds a second delivery loaded', async (t) => {
  const receipts = receiptStream([orders(['1 a 1', '2 b 1']), orders(['2 B 2', '3 NULL 2'])]);
  const first = lines(demandCode(await rsCopy([`${schema}.once`, '--create'], receipts)));
  t.match(first, [
    { type: 'load', status: 'loaded', mode: 'upsert', objects: 2, rows: 4, merged: 3 },
    { type: 'end', status: 'complete' },
  ]);
  t.same(await table('once'), [
    [1, 'a'],
    [2, 'B'],
    [3, null],
  ]);
  const second = lines(demandCode(await rsCopy([`${schema}.once`], receipts)));
  t.match(second, [
    { status: 'already_loaded', objects: 0, already_loaded: 2 },
    { type: 'end', rows: 0 },
  ]);
  const ledger = await sql.query(`SELECT rows FROM ${schema}._tablepipe_ledger_once`);
  t.same(ledger.rows, [{ rows: '2' }, { rows: '2' }]);
});

t.test('the newest version of a row wins, by cursor and then by order', async (t) => {
  const receipts = receiptStream([orders(['1 new 9', '1 old 3', '2 first 5', '2 second 5'])]);
  demandCode(await rsCopy([`${schema}.newest`, '--create'], receipts));
  t.same(await table('newest'), [
    [1, 'new'],
    [2, 'second'],
  ]);
});

t.test('--key names a key where the receipts have none, and must be there', async (t) => {
  const keyless = { primaryKey: [] };
  const receipts = (...rows: string[]): string => receiptStream([orders(rows, keyless)]);
  const words = [`${schema}.keyed`, '--create', '--mode', 'upsert'];
  t.equal((await rsCopy(words, receipts('1 a 1'))).code, 64, 'no key, no versions');
  demandCode(await rsCopy([...words, '--key', 'id'], receipts('1 a 1', '2 b 1')));
  demandCode(await rsCopy([...words, '--key', 'id'], receipts('2 B 2', '3 c 2')));
  t.same(await table('keyed'), [
    [1, 'a'],
    [2, 'B'],
    [3, 'c'],
  ]);
  const absent = await rsCopy([...words, '--key', 'absent'], receipts('4 d 3'));
  t.equal(absent.code, 65, absent.stderr);
  t.equal((await table('keyed')).length, 3);
});

t.test('append keeps every row', async (t) => {
  const receipts = receiptStream([orders(['1 a 1', '1 b 2'])]);
  demandCode(await rsCopy([`${schema}.appended`, '--create', '--mode', 'append'], receipts));
  t.same((await table('appended')).length, 2);
});

t.test('replace takes complete snapshots only', async (t) => {
  const words = [`${schema}.replaced`, '--create', '--mode', 'replace'];
  demandCode(await rsCopy(words, snapshot('1 a 1', '2 b 1')));
  demandCode(await rsCopy(words, snapshot('2 B 1', '3 c 1')));
  t.same(await table('replaced'), [
    [2, 'B'],
    [3, 'c'],
  ]);
  demandCode(await rsCopy(words, snapshot('1 a 1', '2 b 1')));
  t.same(
    await table('replaced'),
    [
      [1, 'a'],
      [2, 'b'],
    ],
    'a snapshot seen before replaces again when another came between',
  );
  const partial = demandCode(await rsCopy(words, receiptStream([orders(['9 x 1'])])), 65);
  t.match(partial.stderr, /only a complete snapshot may replace a table/);
  const limited = snapshot('9 x 1').replace('"type":"end",', '"type":"end","limited":true,');
  t.match(
    demandCode(await rsCopy(words, limited), 65).stderr,
    /--limit ended the read of .*; only a complete snapshot/,
  );
  const cut = demandCode(await rsCopy(words, snapshot('9 x 1').split('\n')[0] as string), 82);
  t.match(lines(cut), [{ type: 'end', status: 'aborted', code: 82 }]);
  t.same(await table('replaced'), [
    [1, 'a'],
    [2, 'b'],
  ]);
});

t.test('a wrong row count changes nothing', async (t) => {
  const receipt = { ...orders(['1 a 1']), rows: 2 };
  const ended = demandCode(await rsCopy([`${schema}.counted`, '--create'], receiptStream([receipt])), 65);
  t.match(ended.stderr, /1 rows were loaded, its receipt counts 2/);
  t.same((await sql.query('SELECT to_regclass($1) AS found', [`${schema}.counted`])).rows, [{ found: null }]);
});

t.test('-n prints the SQL and changes nothing', async (t) => {
  const ended = demandCode(await rsCopy([`${schema}.planned`, '--create', '-n'], receiptStream([orders(['7 x 7'])])));
  t.match(ended.stdout.toString(), /CREATE TABLE .*planned[\s\S]*COPY [\s\S]*MERGE INTO[\s\S]*COMMIT;/);
  t.same((await sql.query('SELECT to_regclass($1) AS found', [`${schema}.planned`])).rows, [{ found: null }]);
});

t.test('refusals say what to do', async (t) => {
  const receipts = receiptStream([orders(['1 a 1'])]);
  const cases: readonly [readonly string[], number, RegExp][] = [
    [[], 64, /no target table given/],
    [[`${schema}.x`, '--watch'], 64, /--watch needs --from-store/],
    [[`${schema}.absent`], 66, /does not exist.*--create/],
    [['nowhere.absent'], 66, /schema.*--create|--create/],
    [[`${schema}.x`, '--mode', 'merge'], 64, /append, upsert, replace/],
    [[`${schema}.x`, '--warehouse', 'postgres://u:secret@localhost/x'], 64, /password on the command line/],
    [[`${schema}.x`, '--warehouse', 'postgres://u@127.0.0.1:1/x'], 75, /cannot be reached/],
    [[`${schema}.x`, '--warehouse', `${servers().warehouseUrl}_absent`], 78, /does not exist/],
  ];
  for (const [words, code, says] of cases) {
    const ended = demandCode(await rsCopy(words, receipts), code);
    t.match(ended.stderr, says, words.join(' '));
    t.notMatch(ended.stderr, /secret/);
  }
});

t.test('other columns stop with a diff, or are added; casts only when asked for', async (t) => {
  const receipts = receiptStream([orders(['1 a 1'])]);
  await sql.query(`CREATE TABLE ${schema}.narrow (id int PRIMARY KEY, name int, extra text DEFAULT 'kept')`);
  const differs = demandCode(await rsCopy([`${schema}.narrow`], receipts), 65);
  t.match(
    differs.stderr,
    /name is integer, the files have varchar\(20\); update_at \(timestamp\) is missing.*--evolve add/,
  );
  const checked = demandCode(await rsCopy([`${schema}.narrow`, '--check'], receipts), 65);
  t.match(lines(checked), [{ type: 'check', ok: false, code: 65 }]);
  await sql.query(`ALTER TABLE ${schema}.narrow DROP COLUMN name, ADD COLUMN name varchar(3)`);
  demandCode(await rsCopy([`${schema}.narrow`, '--evolve', 'add'], receipts));
  t.same((await sql.query(`SELECT id, name, extra FROM ${schema}.narrow`)).rows, [{ id: 1, name: 'a', extra: 'kept' }]);
  const gift = demandCode(await rsCopy([`${schema}.cast`, '--create', '--cast', 'id=boolean'], receipts));
  t.match(lines(gift), [{ status: 'loaded' }, { type: 'end' }]);
  t.same((await sql.query(`SELECT id FROM ${schema}.cast`)).rows, [{ id: true }]);
});

t.test('a refused value is not printed unless it may be', async (t) => {
  await sql.query(
    `CREATE TABLE ${schema}.short (id int PRIMARY KEY, name varchar(3), update_at timestamp CHECK (update_at IS NULL))`,
  );
  const receipts = receiptStream([orders(['1 abc 1'])]);
  const hidden = demandCode(await rsCopy([`${schema}.short`], receipts), 65);
  t.match(hidden.stderr, /constraint.*--show-values/);
  t.notMatch(hidden.stderr, /abc/);
  t.match(demandCode(await rsCopy([`${schema}.short`, '--show-values'], receipts), 65).stderr, /abc/);
});

t.test('rows gone from a snapshot are marked where that is asked for', async (t) => {
  const words = [`${schema}.marked`, '--create', '--mode', 'replace', '--soft-delete', 'gone_at'];
  const state = async (): Promise<unknown[]> =>
    (await sql.query({ text: `SELECT id, gone_at IS NULL FROM ${schema}.marked ORDER BY id`, rowMode: 'array' })).rows;
  demandCode(await rsCopy(words, snapshot('1 a 1', '2 b 1')));
  demandCode(await rsCopy(words, snapshot('2 b 1')));
  t.same(await state(), [
    [1, false],
    [2, true],
  ]);
  demandCode(await rsCopy(words, snapshot('1 a 2', '2 b 1')));
  t.same(await state(), [
    [1, true],
    [2, true],
  ]);
});
