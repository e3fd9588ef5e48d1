/** What src/source/mysql-result.ts relies on in mysql2 and no documentation promises, asked of the installed version. */
import * as mysql2 from 'mysql2';
import t from 'tap';
import { cutsPackets, queryClass, rawConnection, readPackets } from '../../src/source/mysql-result.js';
import { servers } from '../support/servers.js';

const connection = mysql2.createConnection(servers().mysqlUrl);
connection.on('error', () => {});
t.teardown(() => connection.destroy());

t.test('the Query class is found, and its steps are looked up where they can be overridden', async (t) => {
  const Query = queryClass(connection);
  const steps = (Query?.prototype ?? {}) as unknown as Record<string, unknown>;
  const make = (mysql2 as unknown as { createQuery: (...args: unknown[]) => object }).createQuery;
  t.equal(make({ sql: '' }, undefined, undefined, {}).constructor, Query);
  for (const step of ['start', 'resultsetHeader', 'readField', 'fieldsEOF', 'row', 'done'])
    t.type(steps[step], 'function', step);
  t.match(String(steps.fieldsEOF), /return this\.row\b/);
});

t.test('the raw connection has a stream and takes commands', async (t) => {
  const { stream } = rawConnection(connection);
  for (const method of ['pause', 'resume', 'destroy'] as const) t.type(stream[method], 'function', method);
  t.type((stream as unknown as { bytesRead: number }).bytesRead, 'number');
});

t.test('fields come before rows, rows as packets of the text protocol, the end exactly once', async (t) => {
  const seen: string[] = [];
  await new Promise<void>((resolve) => {
    readPackets(
      connection,
      queryClass(connection)!,
      "SELECT 1 AS a, NULL AS b, 'xyz' AS c UNION ALL SELECT 22, NULL, ''",
      {
        fields: (fields) => seen.push(`fields ${fields.map(({ name }) => name).join()}`),
        rows: ({ bytes, starts, ends, count }) => {
          for (let row = 0; row < count; row += 1)
            seen.push(Buffer.from(bytes.subarray(starts[row], ends[row])).toString('hex'));
        },
        end: (error) => {
          seen.push(`end ${error?.message ?? ''}`);
          setTimeout(resolve, 50);
        },
      },
    );
  });
  t.same(seen, ['fields a,b,c', '0131fb0378797a', '023232fb00', 'end ']);
});

t.test('an error of the server and a thrown error reach the end, once', async (t) => {
  const failing = (sql: string, rows: () => void): Promise<string[]> =>
    new Promise((resolve) => {
      const ends: string[] = [];
      const over = mysql2.createConnection(servers().mysqlUrl);
      over.on('error', () => {});
      readPackets(over, queryClass(over)!, sql, {
        fields: () => {},
        rows,
        end: (error) => {
          ends.push(error?.message ?? '');
          setTimeout(() => (over.destroy(), resolve(ends)), 100);
        },
      });
    });
  t.match(await failing('SELECT nonsense', () => {}), [/nonsense/]);
  t.same((await failing('SELECT nonsense', () => {})).length, 1);
  const thrown = await failing('SELECT 1', () => {
    throw new Error('ours');
  });
  t.same(thrown, ['ours']);
});

t.test('the connection asks its packet parser for each chunk, which is ours while a result is read', async (t) => {
  const raw = rawConnection(connection);
  const theirs = raw.packetParser;
  t.ok(cutsPackets(raw));
  const text = "SELECT seq AS id, REPEAT('x', 100) AS t FROM seq_1_to_5000";
  let most = 0;
  let rows = 0;
  await new Promise<void>((resolve) => {
    readPackets(connection, queryClass(connection)!, text, {
      fields: () => t.not(raw.packetParser, theirs),
      rows: ({ count }) => {
        rows += count;
        most = Math.max(most, count);
      },
      end: () => resolve(),
    });
  });
  t.equal(rows, 5000);
  t.ok(most > 50, `up to ${most} rows at once`);
  t.equal(raw.packetParser, theirs, 'given back');
  const [one] = await connection.promise().query('SELECT 1 AS one');
  t.same(one, [{ one: 1 }], 'packets are still counted as mysql2 expects');
});

t.test('a connection without a parser that looks as expected gives its rows one by one', async (t) => {
  const over = mysql2.createConnection({ uri: servers().mysqlUrl, compress: true });
  over.on('error', () => {});
  await over.promise().query('SELECT 1');
  t.notOk(cutsPackets(rawConnection(over)), 'compressed');
  const counts: number[] = [];
  await new Promise<void>((resolve) => {
    const rows = ({ count }: { count: number }): void => void counts.push(count);
    const reader = { fields: () => {}, rows, end: () => resolve() };
    readPackets(over, queryClass(over)!, 'SELECT 1 UNION ALL SELECT 2', reader);
  });
  t.same(counts, [1, 1]);
  over.destroy();
});

t.test('a version that looks different is not trusted', async (t) => {
  t.equal(queryClass({ addCommand: undefined } as never), undefined);
});
