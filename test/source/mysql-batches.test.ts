import { createConnection as createCore, type Connection } from 'mysql2';
import t from 'tap';
import { ndjsonLines } from '../../src/codec/ndjson-lines.js';
import { type Policies, columnPlan } from '../../src/column/from-mysql.js';
import { type ResultField, columnOfField } from '../../src/column/mysql-column.js';
import { type BatchQuery, queryBatches } from '../../src/source/mysql-batches.js';
import { trickle } from '../fixture/trickle.js';
import { servers } from '../support/servers.js';

const url = new URL(servers().mysqlUrl);
const FAIL: Policies = { zeroDates: 'fail', badValues: 'fail' };
const open = new Set<Connection>();

function connection(pieceBytes?: number, compress = false): Connection {
  const made = createCore({
    uri: url.href,
    compress,
    flags: ['-LOCAL_FILES'],
    ...(pieceBytes ? { stream: () => trickle(Number(url.port), url.hostname, pieceBytes) } : {}),
  });
  made.on('error', () => {});
  open.add(made);
  return made;
}

function ask(over: Connection, sql: string): Promise<Record<string, unknown>[]> {
  return new Promise((resolve, reject) =>
    over.query(sql, (error, rows) => (error ? reject(error) : resolve(rows as Record<string, unknown>[]))),
  );
}

function fields(over: Connection, sql: string): Promise<ResultField[]> {
  return new Promise((resolve, reject) =>
    over.query(sql, (error, _, found) => (error ? reject(error) : resolve(found as unknown as ResultField[]))),
  );
}

interface Read {
  lines: string[];
  batches: { rows: number; bytes: number; last: readonly string[] }[];
}

async function read(
  over: Connection,
  sql: string,
  options: Partial<BatchQuery> & { policies?: Policies } = {},
  signal = new AbortController().signal,
): Promise<Read> {
  const found = await fields(over, `SELECT * FROM (${sql}) AS q LIMIT 0`);
  const plans = found.map((field) => columnPlan(columnOfField('s.t', field), options.policies ?? FAIL));
  const query = {
    table: 's.t',
    plans,
    position: [0],
    key: [0],
    limits: { rows: 1000, bytes: 1 << 20 },
    sql,
    values: [],
    ...options,
  };
  const result: Read = { lines: [], batches: [] };
  for await (const { batch, rows, bytes, last } of queryBatches(over, query, signal)) {
    result.batches.push({ rows, bytes, last });
    for (const chunk of ndjsonLines(batch)) result.lines.push(...chunk.trimEnd().split('\n'));
  }
  return result;
}

const MIXED = `SELECT seq AS id, IF(seq % 3 = 0, NULL, REPEAT('ä€x', seq % 90)) AS t, seq / 7 AS d, CAST('2024-02-29' AS DATE) AS day,
  TIMESTAMP '2024-01-01 00:00:00.5' + INTERVAL seq SECOND AS at, seq * 1e-3 AS f, REPEAT(CHAR(seq % 256), 300) AS b FROM seq_1_to_300`;

// 26 s were measured while 38 processes wanted the same two cores.
t.setTimeout(120_000);
t.teardown(() => {
  for (const each of open) each.destroy();
});

t.test('the same rows whatever the pieces they arrive in, and through the documented API', async (t) => {
  const { lines } = await read(connection(), MIXED);
  t.equal(lines.length, 300);
  t.match(
    lines[4],
    /^{"id":"5","t":"ä€xä€xä€xä€xä€x","d":"0.7143","day":"2024-02-29","at":"2024-01-01T00:00:05.500000","f":0.005,"b":"BQUF/,
  );
  t.same((await read(connection(), MIXED, { publicApi: true })).lines, lines, 'documented API');
  t.same((await read(connection(undefined, true), MIXED)).lines, lines, 'compressed');
  for (const piece of [1, 2, 3, 4, 5, 7, 64, 1021])
    t.same((await read(connection(piece), MIXED)).lines, lines, `${piece} bytes`);
});

t.test('batches end at rows or bytes; last is the text of the last row; the connection can go on', async (t) => {
  const over = connection();
  const few = await read(over, MIXED, { limits: { rows: 7, bytes: 1 << 20 } });
  t.same(
    few.batches.map(({ rows }) => rows),
    [...Array<number>(42).fill(7), 6],
  );
  t.same(
    few.batches.map(({ last }) => last[0]),
    [...Array.from({ length: 42 }, (_, index) => String(7 * index + 7)), '300'],
  );
  const small = await read(over, MIXED, { limits: { rows: 1000, bytes: 2000 }, position: [4, 0] });
  t.ok(small.batches.every(({ bytes, rows }) => bytes <= 2000 || rows === 1));
  t.same(small.batches.at(-1)?.last, ['2024-01-01 00:05:00.5', '300']);
  t.same(small.lines, few.lines);
  t.same((await read(over, `${MIXED} WHERE seq < 0`)).batches, [], 'no row, no batch');
  t.same((await ask(over, 'SELECT 1 AS one')).length, 1);
});

t.test('columns after the planned ones are read for position and key only', async (t) => {
  const over = connection();
  const plans = [
    columnPlan({ table: 's.t', name: 'v', type: 'varchar(9)', nullable: false, charset: 'utf8mb4' }, FAIL),
  ];
  const query = { table: 's.t', plans, position: [2, 1], key: [1], limits: { rows: 9, bytes: 999 }, values: [5] };
  const sql = "SELECT 'x' AS v, seq AS id, HEX(seq) AS h FROM seq_1_to_30 WHERE seq > ?";
  for await (const { batch, last } of queryBatches(over, { ...query, sql }, new AbortController().signal)) {
    t.same(batch.schema.names, ['v']);
    t.equal(last[0], Number(last[1]).toString(16).toUpperCase());
  }
});

t.test('values of more than 16 MiB, and 4,000 columns', async (t) => {
  const over = connection();
  const big = await read(
    over,
    'SELECT seq AS id, REPEAT(MID("abc", seq, 1), IF(seq = 2, 20000000, 3)) AS big FROM seq_1_to_3',
  );
  t.same(
    big.batches.map(({ rows }) => rows),
    [1, 1, 1],
    'a huge row is a batch of its own',
  );
  t.same(
    big.lines.map((line) => line.length),
    [22, 20_000_019, 22],
  );
  t.equal(big.lines[1], `{"id":"2","big":"${'b'.repeat(20_000_000)}"}`);
  const first = await read(over, "SELECT REPEAT('z', 17000000) AS big, 1 AS id FROM seq_1_to_2", {
    position: [1],
    key: [1],
  });
  t.same(
    first.lines.map((line) => line.length),
    [17_000_017, 17_000_017],
    'a first column that long starts like an end of rows',
  );
  const many = Array.from({ length: 4000 }, (_, index) => `seq + ${index} AS c${index}`).join(', ');
  const wide = await read(over, `SELECT ${many} FROM seq_1_to_20`);
  t.equal(wide.lines.length, 20);
  t.match(wide.lines[19], /^{"c0":"20",.*,"c3999":"4019"}$/);
});

t.test('nothing is read while nobody asks', async (t) => {
  const over = connection();
  const sql = "SELECT seq AS id, REPEAT('x', 1000) AS t FROM seq_1_to_200000";
  const plans = (await fields(over, `${sql} LIMIT 0`)).map((field) => columnPlan(columnOfField('s.t', field), FAIL));
  const query = {
    table: 's.t',
    plans,
    position: [0],
    key: [0],
    limits: { rows: 100, bytes: 1 << 17 },
    sql,
    values: [],
  };
  const socket = (over as unknown as { stream: { bytesRead: number; destroyed: boolean } }).stream;
  const batches = queryBatches(over, query, new AbortController().signal);
  await batches.next();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = socket.bytesRead;
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(socket.bytesRead, before, 'the socket rests');
  t.ok(before < 3_000_000, `${before} of 200,000,000 bytes were read`);
  await batches.return(undefined);
  t.ok(socket.destroyed, 'stopping early cuts the connection');
});

t.test('what ends a result ends the read with an error, never in silence', async (t) => {
  const long = "SELECT seq AS id, REPEAT('x', 100) AS t FROM seq_1_to_5000000";
  const admin = connection();
  for (const publicApi of [false, true]) {
    const way = publicApi ? 'documented API' : 'packets';
    for (const kill of ['QUERY', 'CONNECTION'] as const) {
      const over = connection();
      const [{ id } = {}] = await ask(over, 'SELECT CONNECTION_ID() AS id');
      setTimeout(() => void ask(admin, `KILL ${kill} ${String(id)}`), 150);
      const wanted = kill === 'QUERY' ? { errno: 1317 } : { fatal: true };
      await t.rejects(
        read(over, long, { publicApi, limits: { rows: 100, bytes: 1 << 17 } }),
        wanted as object as Error,
        `${way}, KILL ${kill}`,
      );
    }
    const cut = connection();
    setTimeout(() => (cut as unknown as { stream: { destroy(): void } }).stream.destroy(), 150);
    await t.rejects(
      read(cut, long, { publicApi }),
      { code: 'PROTOCOL_CONNECTION_LOST' } as object as Error,
      `${way}, socket gone`,
    );
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 150);
    await t.rejects(read(connection(), long, { publicApi }, stop.signal), { message: 'enough' }, `${way}, aborted`);
    await t.rejects(
      read(connection(), 'SELECT SLEEP(3) AS s', { publicApi, idleMs: 200 }),
      { code: 'ETIMEDOUT' } as object as Error,
      `${way}, idle`,
    );
    const failing = 'SELECT seq AS id, IF(seq < 5000, seq, (SELECT 1 UNION SELECT 2)) AS x FROM seq_1_to_9000';
    await t.rejects(
      read(connection(), failing, { publicApi }),
      { errno: 1242 } as object as Error,
      `${way}, an error in the middle`,
    );
  }
});

t.test('zero dates and impossible dates: refused with table, column and key, null, or text', async (t) => {
  const over = connection();
  await ask(over, "SET sql_mode = 'ALLOW_INVALID_DATES'");
  await ask(over, 'CREATE TEMPORARY TABLE odd (id INT PRIMARY KEY, d DATE NOT NULL, at DATETIME(3) NOT NULL)');
  await ask(
    over,
    "INSERT INTO odd VALUES (1, '2024-02-29', '2024-02-29 01:02:03.5'), (2, '2024-00-00', '0000-00-00'), (3, '2024-02-31', '2024-02-30')",
  );
  const from = (last: number, zeroDates: Policies['zeroDates'], badValues: Policies['badValues']) =>
    read(over, `SELECT * FROM odd WHERE id <= ${last} ORDER BY id`, { policies: { zeroDates, badValues } });
  t.equal((await from(1, 'fail', 'fail')).lines.length, 1);
  const nulls = [
    '{"id":1,"d":"2024-02-29","at":"2024-02-29T01:02:03.500000"}',
    '{"id":2,"d":null,"at":null}',
    '{"id":3,"d":null,"at":null}',
  ];
  t.same((await from(3, 'null', 'null')).lines, nulls);
  const texts = [
    '{"id":1,"d":"2024-02-29","at":"2024-02-29 01:02:03.500"}',
    '{"id":2,"d":"2024-00-00","at":"0000-00-00 00:00:00.000"}',
    '{"id":3,"d":"2024-02-31","at":"2024-02-30 00:00:00.000"}',
  ];
  t.same((await from(3, 'text', 'text')).lines, texts);
  await t.rejects(from(3, 'text', 'fail'), {
    kind: 'data',
    message: 's.t, column `d`, row id=3: "2024-02-31" is not a value of date',
  } as object as Error);
});

t.test('a zero date stops the read by name', async (t) => {
  const over = connection();
  await ask(over, "SET sql_mode = ''");
  await ask(over, 'CREATE TEMPORARY TABLE zero (id INT PRIMARY KEY, d DATE)');
  await ask(over, "INSERT INTO zero VALUES (7, '0000-00-00')");
  await t.rejects(read(over, 'SELECT * FROM zero'), {
    kind: 'data',
    message: 's.t, column `d`, row id=7: "0000-00-00" is a zero date',
  } as object as Error);
});

t.test('text that is not UTF-8: refused, null, or its readable part', async (t) => {
  const over = connection();
  await ask(over, 'SET character_set_results = latin1');
  const sql = "SELECT 7 AS id, 'caf\u00e9!' AS v";
  const from = (badValues: Policies['badValues']) => read(over, sql, { policies: { zeroDates: 'fail', badValues } });
  t.same((await from('null')).lines, ['{"id":7,"v":null}']);
  t.same((await from('text')).lines, ['{"id":7,"v":"caf\ufffd!"}']);
  const message = 's.t, column `v`, row id=7: 0x636166e921 is not a value of varchar(1)';
  await t.rejects(from('fail'), { kind: 'data', message } as object as Error);
});

t.test('a result with other columns than planned is refused', async (t) => {
  const plans = [columnPlan({ table: 's.t', name: 'a', type: 'int', nullable: false, charset: null }, FAIL)];
  await t.rejects(read(connection(), 'SELECT 1 AS b', { plans }), {
    kind: 'data',
    message: /other columns/,
  } as object as Error);
  await t.rejects(read(connection(), 'SELECT NULL + 1 AS a', { plans }), {
    kind: 'data',
    message: /NULL in a column that is NOT NULL/,
  } as object as Error);
  await t.rejects(read(connection(), 'SELECT 1 AS a', { plans, sql: 'DO 1' }), { kind: 'usage' } as object as Error);
});
