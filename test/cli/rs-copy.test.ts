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

t.setTimeout(180_000);
const folder = mkdtempSync(join(tmpdir(), 'rs-copy-'));
const schema = `rs_copy_${process.pid}`;
const sql = await connectTarget();
t.teardown(async () => {
  await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});

const orders = (rows: readonly Row[], seq = 0, facts: ObjectFacts = {}): Receipt =>
  storedOrders(folder, rows, seq, facts);

function rsCopy(words: readonly string[], stdin: string): Promise<Ended> {
  return run('rs-copy', words, { env: { TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl, HOME: folder }, stdin });
}

async function table(name: string): Promise<unknown[]> {
  return (await sql.query({ text: `SELECT id, name FROM ${schema}.${name} ORDER BY id`, rowMode: 'array' })).rows;
}

const lines = (ended: Ended): Record<string, unknown>[] =>
  ended.stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

t.test('creates, loads once, and finds a second delivery loaded', async (t) => {
  const receipts = receiptStream([
    orders([
      [1, 'a', 1],
      [2, 'b', 1],
    ]),
    orders([
      [2, 'B', 2],
      [3, null, 2],
    ]),
  ]);
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
  const receipts = receiptStream([
    orders([
      [1, 'new', 9],
      [1, 'old', 3],
      [2, 'first', 5],
      [2, 'second', 5],
    ]),
  ]);
  demandCode(await rsCopy([`${schema}.newest`, '--create'], receipts));
  t.same(await table('newest'), [
    [1, 'new'],
    [2, 'second'],
  ]);
});

t.test('append keeps every row', async (t) => {
  const receipts = receiptStream([
    orders([
      [1, 'a', 1],
      [1, 'b', 2],
    ]),
  ]);
  demandCode(await rsCopy([`${schema}.appended`, '--create', '--mode', 'append'], receipts));
  t.same((await table('appended')).length, 2);
});

t.test('replace takes complete snapshots only', async (t) => {
  const snapshot = (rows: readonly Row[]): string => receiptStream([orders(rows, 0, { read: 'snapshot' })], 'snapshot');
  const words = [`${schema}.replaced`, '--create', '--mode', 'replace'];
  demandCode(
    await rsCopy(
      words,
      snapshot([
        [1, 'a', 1],
        [2, 'b', 1],
      ]),
    ),
  );
  demandCode(
    await rsCopy(
      words,
      snapshot([
        [2, 'B', 1],
        [3, 'c', 1],
      ]),
    ),
  );
  t.same(await table('replaced'), [
    [2, 'B'],
    [3, 'c'],
  ]);
  demandCode(
    await rsCopy(
      words,
      snapshot([
        [1, 'a', 1],
        [2, 'b', 1],
      ]),
    ),
  );
  t.same(
    await table('replaced'),
    [
      [1, 'a'],
      [2, 'b'],
    ],
    'a snapshot seen before replaces again when another came between',
  );
  const partial = demandCode(await rsCopy(words, receiptStream([orders([[9, 'x', 1]])])), 65);
  t.match(partial.stderr, /only a complete snapshot may replace a table/);
  const cut = demandCode(await rsCopy(words, snapshot([[9, 'x', 1]]).split('\n')[0] as string), 82);
  t.match(lines(cut), [{ type: 'end', status: 'aborted', code: 82 }]);
  t.same(await table('replaced'), [
    [1, 'a'],
    [2, 'b'],
  ]);
});

t.test('a wrong row count changes nothing', async (t) => {
  const receipt = { ...orders([[1, 'a', 1]]), rows: 2 };
  const ended = demandCode(await rsCopy([`${schema}.counted`, '--create'], receiptStream([receipt])), 65);
  t.match(ended.stderr, /1 rows were loaded, its receipt counts 2/);
  t.same((await sql.query('SELECT to_regclass($1) AS found', [`${schema}.counted`])).rows, [{ found: null }]);
});

t.test('-n prints the SQL and changes nothing', async (t) => {
  const ended = demandCode(
    await rsCopy([`${schema}.planned`, '--create', '-n'], receiptStream([orders([[7, 'x', 7]])])),
  );
  t.match(ended.stdout.toString(), /CREATE TABLE .*planned[\s\S]*COPY [\s\S]*ON CONFLICT[\s\S]*COMMIT;/);
  t.same((await sql.query('SELECT to_regclass($1) AS found', [`${schema}.planned`])).rows, [{ found: null }]);
});

t.test('refusals say what to do', async (t) => {
  const receipts = receiptStream([orders([[1, 'a', 1]])]);
  const cases: readonly [readonly string[], number, RegExp][] = [
    [[], 64, /no target table given/],
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
