/** Late commits: a row that becomes visible behind rows already read must arrive in the next run, and a naive bound loses it. */
import type { Connection } from 'mysql2/promise';
import t from 'tap';
import { connectSource } from '../support/servers.js';
import { extract, scratch } from './scratch.js';

t.setTimeout(120_000);
const db = await scratch('settled');
const writers: Connection[] = [];
t.teardown(async () => {
  for (const writer of writers) writer.destroy();
  await db.drop();
});

async function writer(): Promise<Connection> {
  const made = await connectSource(db.name);
  writers.push(made);
  return made;
}

async function freshTable(): Promise<string> {
  await db.run('DROP TABLE IF EXISTS late');
  await db.run(`CREATE TABLE late (id INT PRIMARY KEY, v INT NOT NULL DEFAULT 0,
    update_at TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (update_at))`);
  await db.run("INSERT INTO late (id, update_at) SELECT seq, '2024-01-01' FROM seq_1_to_10");
  return `${db.name}.late`;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Runs {
  table: string;
  /** Writes rows while the first run goes on; resolves when the first run may start, and gives what ends the writing. */
  write(): Promise<() => Promise<void>>;
  until: readonly string[];
}

/** Keys and values that two runs bring, the second one begun where the first ended, as a watermark does. */
async function twoRuns({ table, write, until }: Runs): Promise<{ last: Map<unknown, unknown>; rule: string }> {
  const finish = await write();
  const first = await extract([table, '--order', 'cursor', ...until]);
  await finish();
  await sleep(400);
  const since = JSON.stringify(first.end?.to ?? null);
  const again = [table, '--since', since, '--order', 'cursor', ...until];
  let second = await extract(again);
  // Another test on this server may have a transaction open; then the next run is the one after it has ended.
  for (let tries = 0; tries < 60 && !second.end?.until?.rule.includes('clock'); tries += 1) {
    await sleep(500);
    second = await extract(again);
  }
  const rows = [...first.rows, ...second.rows];
  return { last: new Map(rows.map((row) => [row.id, row.v])), rule: first.end?.until?.rule ?? '' };
}

/** A clock that a row committed now is safely behind: what people write by hand. */
const naive = async (): Promise<string[]> => {
  const [row] = await db.run('SELECT CAST(UTC_TIMESTAMP(6) + INTERVAL 1 SECOND AS CHAR) AS now');
  return ['--until', String(row?.now)];
};
const settled = async (): Promise<string[]> => ['--lag', '0'];

/** A transaction stays open across the run, while others commit later times. */
async function openTransaction(): Promise<() => Promise<void>> {
  const slow = await writer();
  await slow.beginTransaction();
  await slow.query('INSERT INTO late (id) VALUES (100)');
  await sleep(400);
  await db.run('INSERT INTO late (id) VALUES (101)');
  return async () => slow.commit();
}

/** An INSERT waits for a metadata lock: InnoDB does not know of it, and its time is the one before the wait. */
async function metadataLock(): Promise<() => Promise<void>> {
  await db.run('CREATE TABLE IF NOT EXISTS gate (id INT PRIMARY KEY)');
  const holder = await writer();
  const waiter = await writer();
  await holder.query('LOCK TABLES gate WRITE');
  const insert = waiter.query('INSERT INTO late (id) SELECT 100 FROM (SELECT COUNT(*) FROM gate) AS g');
  await sleep(400);
  await db.run('INSERT INTO late (id) VALUES (101)');
  return async () => {
    await holder.query('UNLOCK TABLES');
    await insert;
  };
}

/** The same INSERT begins a transaction that stays open: it is then younger than its row, and its connection sleeps. */
async function metadataLockThenOpen(): Promise<() => Promise<void>> {
  await db.run('CREATE TABLE IF NOT EXISTS gate (id INT PRIMARY KEY)');
  const holder = await writer();
  const slow = await writer();
  await slow.beginTransaction();
  await holder.query('LOCK TABLES gate WRITE');
  const insert = slow.query('INSERT INTO late (id) SELECT 100 FROM (SELECT COUNT(*) FROM gate) AS g');
  await sleep(400);
  await db.run('INSERT INTO late (id) VALUES (101)');
  await sleep(3_600);
  await holder.query('UNLOCK TABLES');
  await insert;
  return async () => slow.commit();
}

/** An UPDATE waits for a row lock, and keeps the time before the wait. */
async function rowLock(): Promise<() => Promise<void>> {
  await db.run('CREATE TABLE IF NOT EXISTS guard (id INT PRIMARY KEY)');
  await db.run('REPLACE INTO guard VALUES (1)');
  const holder = await writer();
  const waiter = await writer();
  await holder.beginTransaction();
  await holder.query('SELECT * FROM guard WHERE id = 1 FOR UPDATE');
  const update = waiter.query('UPDATE late, guard SET late.v = 7 WHERE guard.id = 1 AND late.id = 3');
  await sleep(400);
  await db.run('INSERT INTO late (id) VALUES (101)');
  return async () => {
    await holder.rollback();
    await update;
  };
}

/** A prepared XA transaction outlives its connection; nobody is in the list of processes for it. */
async function preparedXa(): Promise<() => Promise<void>> {
  const name = `'late-${process.pid}-${(prepared += 1)}'`;
  const branch = await writer();
  for (const step of [`XA START ${name}`, 'INSERT INTO late (id) VALUES (100)', `XA END ${name}`, `XA PREPARE ${name}`])
    await branch.query(step);
  await branch.end();
  await sleep(400);
  await db.run('INSERT INTO late (id) VALUES (101)');
  return async () => void (await db.run(`XA COMMIT ${name}`));
}

let prepared = 0;

const CASES = {
  'a transaction held open': { write: openTransaction, arrives: [100, 0], rule: /open transaction/ },
  'an INSERT behind a metadata lock': { write: metadataLock, arrives: [100, 0], rule: /statement connection/ },
  'an INSERT that waited for a metadata lock and is still not committed': {
    write: metadataLockThenOpen,
    arrives: [100, 0],
    rule: /a row of that time that is not committed/,
  },
  'a prepared XA transaction left over': { write: preparedXa, arrives: [100, 0], rule: /a prepared XA transaction/ },
  'an UPDATE behind a row lock': { write: rowLock, arrives: [3, 7], rule: /statement connection|open transaction/ },
} as const;

for (const [name, { write, arrives, rule }] of Object.entries(CASES)) {
  t.test(`${name}: the settled bound brings the row in the next run`, async (t) => {
    const runs = await twoRuns({ table: await freshTable(), write, until: await settled() });
    t.equal(runs.last.get(arrives[0]), arrives[1], 'the late row is there');
    t.equal(runs.last.get(101), 0, 'so is the one committed before it');
    t.match(runs.rule, rule);
  });

  t.test(`${name}: a naive bound loses it`, async (t) => {
    const table = await freshTable();
    const finish = await write();
    const first = await extract([table, '--order', 'cursor', ...(await naive())]);
    await finish();
    await sleep(1_200);
    const again = ['--since', JSON.stringify(first.end?.to ?? null), '--order', 'cursor', ...(await naive())];
    const second = await extract([table, ...again]);
    const last = new Map([...first.rows, ...second.rows].map((row) => [row.id, row.v]));
    t.equal(last.get(101), 0);
    t.not(last.get(arrives[0]), arrives[1], 'the row is behind the watermark for ever');
  });
}

t.test('idle readers, and readers at work, hold nothing back', async (t) => {
  const table = await freshTable();
  const reader = await writer();
  await reader.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
  await reader.query('SELECT * FROM late');
  const busy = (await writer()).query('SELECT SLEEP(4)');
  await sleep(1_500);
  const { end } = await extract([table, '--order', 'cursor', '--lag', '0']);
  t.match(end?.until?.rule, /clock minus 0 ms/);
  await busy;
  // Its lock on the table would hold up the next test's DROP TABLE.
  await reader.query('COMMIT');
});

t.test('without PROCESS the lag and the rows themselves decide, and it says so', async (t) => {
  const table = await freshTable();
  const user = `plain_${process.pid}`;
  await db.run(`CREATE USER ${user}@'%' IDENTIFIED BY 'secret-word'`);
  t.teardown(() => db.run(`DROP USER ${user}@'%'`));
  await db.run(`GRANT SELECT ON ${db.name}.* TO ${user}@'%'`);
  const url = new URL(String(process.env.TABLEPIPE_TEST_MYSQL_URL));
  [url.username, url.password] = [user, 'secret-word'];
  const { ended, end } = await extract([table, '--order', 'cursor'], { TABLEPIPE_MYSQL_URL: url.href });
  t.match(end, { status: 'complete', rows: 10 });
  t.match(ended.stderr, /warning: without the PROCESS privilege/);
  t.notMatch(ended.stderr, /secret-word/);
  const commit = await openTransaction();
  const again = await extract([table, '--order', 'cursor', '--lag', '0'], { TABLEPIPE_MYSQL_URL: url.href });
  t.match(again.end, { rows: 10, until: { rule: /not committed/ } }, 'a row that is written is seen all the same');
  await commit();
});

t.test('a whole number is settled by waiting for the transactions that were open', async (t) => {
  await db.run('CREATE TABLE grow (id INT AUTO_INCREMENT PRIMARY KEY, v INT)');
  const slow = await writer();
  await slow.beginTransaction();
  await slow.query('INSERT INTO grow (v) VALUES (1)');
  await db.run('INSERT INTO grow (v) VALUES (2)');
  const words = [`${db.name}.grow`, '--cursor', 'id'];
  const hasty = await extract([...words, '--settle-timeout', '600ms']);
  t.equal(hasty.ended.code, 75, 'it does not pass the open transaction');
  t.match(hasty.ended.stderr, /open transaction of connection \d+/);
  const patient = extract(words);
  await sleep(1_500);
  await slow.commit();
  const { rows, end } = await patient;
  t.same(
    rows.map((row) => row.v),
    [1, 2],
    'both rows, in order',
  );
  t.match(end, { until: { value: '3', rule: /largest id/ } });
});

t.test('a column of whole seconds is bounded by a whole second', async (t) => {
  await db.run(
    'CREATE TABLE coarse (id INT PRIMARY KEY, update_at DATETIME NOT NULL, day DATE NOT NULL, KEY (update_at), KEY (day))',
  );
  const at = async (words: string[]): Promise<string> =>
    (await extract([`${db.name}.coarse`, ...words])).end?.until?.value ?? '';
  t.match(await at([]), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  t.match(await at(['--cursor', 'day']), /^\d{4}-\d\d-\d\d$/);
});
