/**
 * The same reads on the other members of the family: MySQL 9, whose JSON, VECTOR, passwords and EXPLAIN are its own, and
 * a MariaDB that has VECTOR. Both are downloaded by the test bed; neither can be had means this fails.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Connection, createConnection } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { COLUMNS } from '../fixture/type-edges.js';
import { compareEdges } from '../pipe/type-comparison.js';
import type { MariaDb } from '../support/mariadb.js';
import { startMySql, startNewerMariaDb } from '../support/other-mysql.js';
import { type Ended, run } from '../support/program.js';

t.setTimeout(1_500_000);

type Columns = typeof COLUMNS;

/** How the column of that type is looked at. */
function lookAt(wanted: string): Columns[0][1] {
  const found = COLUMNS.find(([type]) => type === wanted);
  if (!found) throw new Error(`the edges have no ${wanted}`);
  return found[1];
}

const bytes = lookAt('BINARY(4)');
const time = lookAt('TIME(6)');

/** The edges, without what this server has not, and with its vectors. */
function columnsOf(without: RegExp, fromText: string, more: Columns = []): Columns {
  const vectors = ["'[1,-2.5,0]'", "'[1234567,0.1,-0.000001]'"].map((text) => `${fromText}(${text})`);
  return [...COLUMNS.filter(([type]) => !without.test(type)), ...more, ['VECTOR(3)', bytes, vectors]];
}

async function bed(
  test: Test,
  start: typeof startMySql,
): Promise<{ server: MariaDb; source: Connection; extract: (...words: string[]) => Promise<Ended> }> {
  const folder = mkdtempSync(join(tmpdir(), 'tablepipe-other-'));
  chmodSync(folder, 0o755);
  const server = await start({ folder: join(folder, 'server'), say: (line) => test.comment(line) });
  const source = await createConnection({ uri: server.url });
  test.teardown(async () => {
    await source.end();
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  test.comment(server.label);
  const env = { TABLEPIPE_MYSQL_URL: server.url, HOME: folder };
  return { server, source, extract: (...words) => run('mysql-extract', words, { env }) };
}

/** What the server says, every value as its text. */
async function printed(source: Connection, sql: string): Promise<string[][]> {
  const [rows] = await source.query({ sql, rowsAsArray: true, typeCast: (field) => field.string() });
  return (rows as (string | null)[][]).map((row) => row.map((value) => value ?? 'NULL'));
}

/** Runs test files of the source against another server. */
async function testsOn(test: Test, { url }: MariaDb, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const path = fileURLToPath(new URL(`../${file}.test.js`, import.meta.url));
    const env = { ...process.env, TABLEPIPE_TEST_MYSQL_URL: url };
    const child = spawn(process.execPath, [path], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += String(chunk)));
    const [code] = (await once(child, 'close')) as [number | null];
    test.equal(code, 0, file, { tap: code === 0 ? undefined : text.slice(-4000) });
  }
}

const SOURCE_TESTS = [
  ...['plan/cursor', 'plan/settled', 'plan/uncommitted', 'plan/shards', 'plan/shard-property', 'plan/keyset'],
  ...['plan/backfill', 'pipe/charsets'],
];

t.test('MySQL 9', async (t) => {
  const { server, source, extract } = await bed(t, startMySql);
  await t.test('every type at its edges, JSON and VECTOR too', (t) =>
    compareEdges(t, {
      source,
      url: server.url,
      columns: columnsOf(/^(?:UUID|INET6|TIME\(6\))$/, 'STRING_TO_VECTOR', [
        // The hour that is the last one has no fractions here.
        ['TIME(6)', time, ["'-838:59:59'", "'838:59:58.999999'", "'-00:00:00.5'"]],
      ]),
      printed: (sql) => printed(source, sql),
    }),
  );
  await t.test('caching_sha2_password: over TLS, without it, and refused', async (t) => {
    const [[account]] = (await source.query("SELECT plugin FROM mysql.user WHERE user = 'tablepipe'")) as unknown as [
      [{ plugin: string }],
    ];
    t.equal(account.plugin, 'caching_sha2_password');
    await source.query('CREATE TABLE shop.one (id INT PRIMARY KEY)');
    await source.query('INSERT INTO shop.one VALUES (7)');
    for (const mode of ['disabled', 'required', 'preferred']) {
      // Each time the server has forgotten the password, so the whole exchange takes place.
      await source.query('FLUSH PRIVILEGES');
      const ended = await extract('shop.one', '--cursor', 'none', '--ssl-mode', mode, '--format', 'ndjson', '--bare');
      t.same([ended.code, ended.stdout.toString()], [0, '{"id":7}\n'], mode);
    }
    const url = server.url.replace(':tablepipe@', ':wrong@');
    const denied = await run('mysql-extract', ['shop.one', '--cursor', 'none'], { env: { TABLEPIPE_MYSQL_URL: url } });
    t.equal(denied.code, 77, denied.stderr);
    t.notMatch(denied.stderr, /wrong/);
  });
  await t.test('EXPLAIN is read, and a scan refused', async (t) => {
    await source.query(
      'CREATE TABLE shop.big (id INT PRIMARY KEY, v INT, update_at DATETIME(6) NOT NULL, KEY (update_at))',
    );
    await source.query("INSERT INTO shop.big VALUES (1, 2, '2024-01-01'), (2, 3, '2024-01-02')");
    const plan = await extract('shop.big', '--since', '2024-01-01', '--dry-run');
    t.match(JSON.parse(plan.stdout.toString()), { explain: /^range on update_at, about [0-9]+ rows/ });
    const query = 'SELECT v, COUNT(*) AS n FROM shop.big GROUP BY v';
    const scan = await extract('q.q', '--query', query, '--cursor', 'v', '--since', '["1"]', '--until', 'none');
    t.equal(scan.code, 78, scan.stderr);
    t.match(scan.stderr, /reads all of/);
  });
  await t.test('the tests of the source', (t) => testsOn(t, server, SOURCE_TESTS));
});

t.test('MariaDB 11.8', async (t) => {
  const { server, source } = await bed(t, startNewerMariaDb);
  await t.test('every type at its edges, VECTOR too', (t) =>
    compareEdges(t, {
      source,
      url: server.url,
      columns: columnsOf(/^$/, 'VEC_FromText'),
      printed: (sql) => printed(source, sql),
    }),
  );
  await t.test('the tests of the source', (t) => testsOn(t, server, SOURCE_TESTS));
});
