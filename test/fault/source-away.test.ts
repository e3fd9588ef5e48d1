/** What MySQL refuses: a lock that somebody holds, one connection too many, a wrong password (rows 32, 40 and 42 of the matrix). */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { run } from '../support/program.js';
import { connectSource, servers } from '../support/servers.js';

const id = `away_${randomBytes(4).toString('hex')}`;
const root = await connectSource();
await root.query(`CREATE DATABASE ${id}`);
await root.query(`CREATE TABLE ${id}.rows_ (id INT PRIMARY KEY, update_at TIMESTAMP(6) NOT NULL, KEY (update_at, id))`);
await root.query(`INSERT INTO ${id}.rows_ VALUES (1, '2024-01-01'), (2, '2024-01-02')`);
await root.query(`CREATE USER ${id}@'%' IDENTIFIED BY 'canary-of-a-password' WITH MAX_USER_CONNECTIONS 1`);
await root.query(`GRANT SELECT, PROCESS ON *.* TO ${id}@'%'`);
t.teardown(async () => {
  await root.query(`DROP DATABASE ${id}`);
  await root.query(`DROP USER ${id}@'%'`);
  await root.end();
});

const table = `${id}.rows_`;

function urlWith(user: string, password: string): Record<string, string> {
  const url = new URL(servers().mysqlUrl);
  [url.username, url.password, url.pathname] = [user, password, ''];
  return { TABLEPIPE_MYSQL_URL: url.href };
}

t.test('a table that somebody has locked: 75 after --lock-timeout, with the table named', async (t) => {
  const holder = await connectSource(id);
  await holder.query('LOCK TABLES rows_ WRITE');
  const words = [table, '--lock-timeout', '1s', '--retry-max-time', '2s', '--format', 'ndjson'];
  const ended = await run('mysql-extract', words, { env: urlWith(id, 'canary-of-a-password') });
  await holder.end();
  t.equal(ended.code, 75, ended.stderr);
  t.match(ended.stderr, new RegExp(id));
  t.match(ended.stdout.toString(), /"status":"aborted".*75/);
});

t.test('an account that has all the connections it may have: 75, or the rows once one is free', async (t) => {
  const env = urlWith(id, 'canary-of-a-password');
  const holder = await connectSource();
  await holder.changeUser({ user: id, password: 'canary-of-a-password', database: id });
  const refused = await run('mysql-extract', [table, '--retry-max-time', '2s', '--format', 'ndjson'], { env });
  t.equal(refused.code, 75, refused.stderr);
  await holder.end();
  const again = await run('mysql-extract', [table, '--format', 'ndjson'], { env });
  t.equal(again.code, 0, again.stderr);
});

t.test('a wrong password: 77, and it is not repeated', async (t) => {
  const ended = await run('mysql-extract', [table, '--format', 'ndjson'], { env: urlWith(id, 'canary-of-another') });
  t.equal(ended.code, 77, ended.stderr);
  t.notMatch(ended.stderr + ended.stdout.toString(), /canary/);
});
