/** rs-copy into the double of Redshift: what it does, through the program. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { connectS3 } from '../../src/connect/s3.js';
import { demandRegion, regionOfEndpoint } from '../../src/sink/bucket-region.js';
import { type Cluster, onServer, ROLE, startCluster, testServers } from '../redshift-double/cluster.js';
import type { FaultName } from '../support/redshift-double/faults.js';
import { demandCode, type Ended, run } from '../support/program.js';
import { decimal, type FixtureColumn, SHAPE, unscaled } from '../redshift-double/parquet-fixture.js';
import { type Order, orderColumns, receiptStream, storeOrders } from './stored-files.js';
import { jsonLines } from '../support/json-lines.js';

// Some thirty short programs: on a busy machine each takes seconds.
t.setTimeout(300_000);
const cluster: Cluster = await startCluster(t);
await cluster.sql('CREATE SCHEMA shop');

function environment(url = cluster.double.url, more: Record<string, string> = {}): Record<string, string> {
  const warehouse = `${url.replace('postgres:', 'redshift:')}?sslmode=disable`;
  return { ...testServers().env, TABLEPIPE_WAREHOUSE_URL: warehouse, TABLEPIPE_IAM_ROLE: ROLE, ...more };
}

async function copy(table: string, stdin: string, words: string[] = [], env = environment()): Promise<Ended> {
  const prefix = `s3://${cluster.bucket}/${cluster.prefix}manifests/`;
  return run('rs-copy', [table, '--manifest-prefix', prefix, ...words], { env, stdin });
}

interface Line {
  type: string;
  status: string;
  rows: number;
  merged: number;
  already_loaded: number;
  attempts: number;
  mode: string;
}

const lines = (ended: Ended): Line[] => jsonLines<Line>(ended.stdout);

const orders = (first: number, last: number, at = 1_000_000, note = 'new'): Order[] =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ id: first + i, note, at }));

async function manifests(): Promise<number> {
  const command = { Bucket: cluster.bucket, Prefix: `${cluster.prefix}manifests/` };
  return (await cluster.s3.send(new ListObjectsV2Command(command))).KeyCount ?? 0;
}

t.test('creates the table, loads by one COPY, and knows what it has loaded', async (t) => {
  const receipts = await storeOrders(cluster, [orders(1, 100), orders(101, 150)]);
  const first = demandCode(await copy('shop.orders', receiptStream(receipts), ['--create']));
  t.match(lines(first), [
    { type: 'load', status: 'loaded', mode: 'upsert', rows: 150, merged: 150, already_loaded: 0, attempts: 1 },
    { type: 'end', status: 'complete', rows: 150 },
  ]);
  t.equal(await cluster.value('SELECT count(*) FROM shop.orders'), '150');
  t.equal(cluster.double.log().filter(({ verb }) => verb === 'copy').length, 1);
  const again = demandCode(await copy('shop.orders', receiptStream(receipts)));
  t.match(lines(again)[0], { status: 'already_loaded', rows: 0, already_loaded: 2 });
  t.equal(await cluster.value('SELECT count(*) FROM shop.orders'), '150');
  t.equal(await manifests(), 0, 'manifests are removed');
  const table = await cluster.sql(
    "SELECT column_name, data_type, is_nullable FROM svv_all_columns WHERE schema_name = 'shop' AND table_name = 'orders' ORDER BY ordinal_position",
  );
  t.same(table, [
    ['id', 'bigint', 'NO'],
    ['note', 'character varying', 'YES'],
    ['amount', 'numeric', 'YES'],
    ['update_at', 'timestamp without time zone', 'YES'],
  ]);
});

t.test('the newest version of a row wins: by cursor, then by the order of the files', async (t) => {
  const older = [{ id: 1, note: 'older', at: 5_000_000 }];
  const newer = [
    { id: 1, note: 'newer', at: 6_000_000 },
    { id: 200, note: 'fresh', at: 6_000_000 },
  ];
  demandCode(await copy('shop.orders', receiptStream(await storeOrders(cluster, [newer, older]))));
  t.equal(await cluster.value('SELECT note FROM shop.orders WHERE id = 1'), 'newer', 'by cursor');
  const tied = (note: string): Order[] => [
    { id: 1, note, at: 7_000_000 },
    { id: 2, note, at: 7_000_000 },
  ];
  demandCode(await copy('shop.orders', receiptStream(await storeOrders(cluster, [tied('first'), tied('last')]))));
  t.same(await cluster.sql('SELECT note FROM shop.orders WHERE id <= 2'), [['last'], ['last']], 'by order');
  t.equal(await cluster.value('SELECT count(*) FROM shop.orders'), '151');
});

// Found by the torture (SEED=de45b3b7 ROUND=7): a column `version` beside a column of ours with that name.
t.test('columns may have any name, also when a key is staged twice', async (t) => {
  const names = ['version', 'v', 'n', 's', 't', 'rows', 'staged', 'newest', 'twice', 'tie', 'file', 'age'];
  const columns = [
    ...orderColumns([
      { id: 1, note: 'older', at: 1 },
      { id: 1, note: 'newer', at: 2 },
    ]),
    ...names.map((name) => ({ name, ...SHAPE.int64, values: [1n, 2n] })),
  ];
  for (const words of [['--create'], []]) {
    const receipts = await storeOrders(cluster, [[]], { columns });
    demandCode(await copy('shop.names', receiptStream(receipts), words));
    await cluster.sql('ALTER TABLE shop.names ADD COLUMN remark VARCHAR(20)').catch(() => {});
  }
  t.same(await cluster.sql(`SELECT note, ${names.join(' + ')} FROM shop.names`), [['newer', String(2 * names.length)]]);
});

t.test('columns the files do not have keep their values', async (t) => {
  await cluster.sql('ALTER TABLE shop.orders ADD COLUMN remark VARCHAR(20)');
  await cluster.sql("UPDATE shop.orders SET remark = 'kept' WHERE id = 1");
  const changed = [
    { id: 1, note: 'changed', at: 8_000_000 },
    { id: 300, note: 'added', at: 8_000_000 },
  ];
  demandCode(await copy('shop.orders', receiptStream(await storeOrders(cluster, [changed]))));
  t.same(await cluster.sql('SELECT note, remark FROM shop.orders WHERE id IN (1, 300) ORDER BY id'), [
    ['changed', 'kept'],
    ['added', null],
  ]);
});

t.test('append, and replace: readers never see an empty table', async (t) => {
  const receipts = await storeOrders(cluster, [orders(1, 3)]);
  demandCode(await copy('shop.log', receiptStream(receipts), ['--create', '--mode', 'append']));
  demandCode(await copy('shop.log', receiptStream(await storeOrders(cluster, [orders(1, 3)])), ['--mode', 'append']));
  t.equal(await cluster.value('SELECT count(*) FROM shop.log'), '6');
  const snapshot = await storeOrders(cluster, [orders(2, 4, 1, 'whole')], { read: 'snapshot', cursor: [] });
  demandCode(await copy('shop.log', receiptStream(snapshot), ['--mode', 'replace']));
  t.same(await cluster.sql('SELECT id, note FROM shop.log ORDER BY id'), [
    ['2', 'whole'],
    ['3', 'whole'],
    ['4', 'whole'],
  ]);
  t.ok(
    cluster.double.log().every(({ verb }) => verb !== 'truncate'),
    'TRUNCATE would commit',
  );
  const soft = await storeOrders(cluster, [orders(2, 3, 1, 'soft')], { read: 'snapshot', cursor: [] });
  const words = ['--mode', 'replace', '--soft-delete', 'gone_at', '--evolve', 'add'];
  demandCode(await copy('shop.log', receiptStream(soft), words));
  t.same(await cluster.sql('SELECT id, note, gone_at IS NULL FROM shop.log ORDER BY id'), [
    ['2', 'soft', 't'],
    ['3', 'soft', 't'],
    ['4', 'whole', 'f'],
  ]);
});

t.test('--evolve add: a column a statement, and VARCHAR widened outside the transaction', async (t) => {
  await cluster.sql('CREATE TABLE shop.narrow (id BIGINT NOT NULL, note VARCHAR(3), amount DECIMAL(12,2))');
  await cluster.sql("INSERT INTO shop.narrow VALUES (1, 'abc', 1)");
  const receipts = await storeOrders(cluster, [orders(1, 2, 1, 'a longer note')]);
  const refused = await copy('shop.narrow', receiptStream(receipts));
  t.equal(refused.code, 65);
  t.match(refused.stderr, /update_at .*missing/);
  demandCode(await copy('shop.narrow', receiptStream(receipts), ['--evolve', 'add']));
  t.same(await cluster.sql('SELECT id, note FROM shop.narrow ORDER BY id'), [
    ['1', 'a longer note'],
    ['2', 'a longer note'],
  ]);
});

t.test('a row that does not fit: file, column, row and key, and nothing loaded', async (t) => {
  await cluster.sql(
    'CREATE TABLE shop.short (id BIGINT NOT NULL, note VARCHAR(5), amount DECIMAL(12,2), update_at TIMESTAMP)',
  );
  const good = orders(1, 10, 1, 'short');
  const bad = [...orders(11, 15, 1, 'fits'), { id: 16, note: 'secret words', at: 1 }];
  const receipts = await storeOrders(cluster, [good, bad]);
  const ended = await copy('shop.short', receiptStream(receipts));
  t.equal(ended.code, 65);
  t.match(ended.stderr, receipts[1]?.url);
  t.match(ended.stderr, /row 6, key \{"id":"16"\}/);
  t.match(ended.stderr, /data column note is longer.*Table: 5, Data: 12/);
  t.notMatch(ended.stderr, 'secret words');
  t.equal(await cluster.value('SELECT count(*) FROM shop.short'), '0');
  t.equal(await manifests(), 0);
  const lost = await storeOrders(cluster, [good]);
  await cluster.put((lost[0]?.url ?? '').slice(cluster.url('').length), 'gone');
  const gone = await copy('shop.short', receiptStream(lost));
  t.equal(gone.code, 65, 'an object that is not the one of its receipt');
});

t.test('a cluster of old, without SYS_LOAD_ERROR_DETAIL: STL_LOAD_ERRORS says which row', async (t) => {
  const view = 'redshift_double.sys_load_error_detail';
  await onServer(cluster.behind, `ALTER VIEW ${view} RENAME TO not_there_yet`);
  const bad = [...orders(21, 22, 1, 'fits'), { id: 23, note: 'secret words', at: 1 }];
  const receipts = await storeOrders(cluster, [orders(17, 20, 1, 'short'), bad]);
  const ended = demandCode(await copy('shop.short', receiptStream(receipts)), 65);
  await onServer(cluster.behind, 'ALTER VIEW redshift_double.not_there_yet RENAME TO sys_load_error_detail');
  t.match(ended.stderr, receipts[1]?.url);
  t.match(ended.stderr, /row 3, key \{"id":"23"\}: .*data column note is longer/);
  t.ok(
    cluster.double.log().some(({ text }) => text.includes('stl_load_errors')),
    'it was asked',
  );
});

t.test('a row the table refuses after COPY: NULL, a text that is no JSON', async (t) => {
  await cluster.sql(
    'CREATE TABLE shop.strict (id DECIMAL(20,0) NOT NULL, note VARCHAR(50) NOT NULL, doc SUPER, PRIMARY KEY (id))',
  );
  const large = 18_446_744_073_709_551_615n;
  const columns = (note: string | null, doc: string): FixtureColumn[] => [
    { name: 'id', ...decimal(20, 0, 9), values: [unscaled(1n, 9), unscaled(large, 9)] },
    { name: 'note', ...SHAPE.text, values: ['a', note] },
    { name: 'doc', ...SHAPE.text, values: ['{}', doc] },
  ];
  const load = async (note: string | null, doc: string, words: string[] = []): Promise<Ended> => {
    const receipts = await storeOrders(cluster, [[]], { columns: columns(note, doc), cursor: [] });
    return copy('shop.strict', receiptStream(receipts), ['--cast', 'doc', ...words]);
  };
  const empty = demandCode(await load(null, '{}'), 65);
  t.match(
    empty.stderr,
    /\.parquet, row 2, key \{"id":"18446744073709551615"\}: Cannot insert a NULL value into column note/,
  );
  const broken = demandCode(await load('b', '{"hidden": oops'), 65);
  t.match(broken.stderr, /\.parquet, row 2, key \{"id":"18446744073709551615"\}: JSON_PARSE\(\) error/);
  t.match(broken.stderr, /--cast COLUMN=VARCHAR\(65535\)/);
  t.notMatch(broken.stderr, /hidden|oops/);
  t.equal(await cluster.value('SELECT count(*) FROM shop.strict'), '0');
});

t.test('objects without rows are loaded by noting them: no COPY sees them', async (t) => {
  const before = cluster.double.log().filter(({ verb }) => verb === 'copy').length;
  const some = receiptStream(await storeOrders(cluster, [[], orders(900, 902, 9_900_000), []]));
  t.match(lines(demandCode(await copy('shop.orders', some))), [{ status: 'loaded', rows: 3 }]);
  const none = receiptStream(await storeOrders(cluster, [[]]));
  t.match(lines(demandCode(await copy('shop.orders', none))), [{ status: 'loaded', rows: 0 }]);
  t.match(lines(demandCode(await copy('shop.orders', none))), [{ status: 'already_loaded' }]);
  t.equal(cluster.double.log().filter(({ verb }) => verb === 'copy').length, before + 1);
});

t.test('1023, deadlock and lost answers: the whole transaction again, loaded once in the end', async (t) => {
  const { faults } = cluster.double;
  const load = async (...names: FaultName[]): Promise<Line | undefined> => {
    const receipts = await storeOrders(cluster, [orders(1, 20, 9_000_000)]);
    for (const name of names) faults.arm(name, 1);
    return lines(demandCode(await copy('shop.log', receiptStream(receipts), ['--mode', 'append'])))[0];
  };
  const before = Number(await cluster.value('SELECT count(*) FROM shop.log'));
  t.match(await load('inject1023', 'dropDuringCopy', 'inject1023AtCommit'), { status: 'loaded', attempts: 4 });
  t.match(await load('injectDeadlock', 'dropAnswerOfCopy', 'dropBeforeCommit'), { status: 'loaded', attempts: 4 });
  t.match(await load('dropAnswerOfCommit'), { status: 'loaded', rows: 20, attempts: 2 }, 'the ledger knows');
  t.equal(Number(await cluster.value('SELECT count(*) FROM shop.log')), before + 3 * 20);
  t.equal(Object.keys(faults.fired).length, 7, 'every fault happened');
});

t.test('the double these loads went into answers no message of the extended protocol', async (t) => {
  const parsed = cluster.client.query('SELECT count(*) FROM shop.orders WHERE id = $1', [1]);
  await t.rejects(parsed, { code: 'XX000', message: /UNVERIFIED: the extended query protocol/ });
});

t.test('the bucket in another region: both are named, nothing is started', async (t) => {
  const store = createServer((_, response) => response.setHeader('x-amz-bucket-region', 'us-east-1').end()).listen(0);
  await once(store, 'listening');
  const { port } = store.address() as AddressInfo;
  const s3 = await connectS3({ ...testServers().env, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` });
  const { signal } = new AbortController();
  const ask = (cluster: string | undefined): Promise<void> => demandRegion(s3, ['s3://lake/a'], cluster, signal);
  await t.rejects(ask('eu-west-3'), {
    kind: 'config',
    message: 'the bucket lake is in us-east-1, the cluster in eu-west-3',
  });
  await ask('us-east-1');
  await ask(undefined);
  s3.destroy();
  store.close();
  t.equal(regionOfEndpoint('wh.abc.eu-west-3.redshift.amazonaws.com'), 'eu-west-3');
  t.equal(regionOfEndpoint('etl.123456789012.us-gov-west-1.redshift-serverless.amazonaws.com'), 'us-gov-west-1');
  t.equal(regionOfEndpoint('localhost'), undefined);
});

t.test('one form of authorization, checked before anything is contacted, never shown', async (t) => {
  const receipts = await storeOrders(cluster, [orders(400, 401, 9_500_000)]);
  const stdin = receiptStream(receipts);
  const wrong = await copy('shop.orders', stdin, ['--iam-role', 'arn:aws:iam::1:role/x']);
  t.equal(wrong.code, 64);
  const stranger = await copy('shop.orders', stdin, ['--iam-role', 'arn:aws:iam::123456789012:role/stranger']);
  t.equal(stranger.code, 77);
  t.match(stranger.stderr, /Attach the role/);
  const dry = demandCode(await copy('shop.orders', stdin, ['-n'], environment(undefined, { TABLEPIPE_IAM_ROLE: '' })));
  t.match(String(dry.stdout), /SECRET_ACCESS_KEY '\*\*\*'/);
  t.notMatch(String(dry.stdout) + dry.stderr, testServers().env.AWS_SECRET_ACCESS_KEY);
  t.match(String(dry.stdout), /"mandatory": true/, 'the manifest is printed');
  t.equal(await manifests(), 0, 'and not written');
  demandCode(await copy('shop.orders', stdin, ['--iam-role', 'default']));
  const chain = await storeOrders(cluster, [orders(402, 403, 9_500_000)]);
  const second = 'arn:aws:iam::123456789012:role/read';
  demandCode(await copy('shop.orders', receiptStream(chain), ['--iam-role', `${ROLE},${second}`]));
});
