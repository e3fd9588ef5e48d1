/** Ways into Redshift besides a password: temporary ones from IAM, and the Data API, against stubs of those services. */
import t from 'tap';
import { ROLE, startCluster, testServers } from '../redshift-double/cluster.js';
import { demandCode, type Ended, run } from '../support/program.js';
import { startAwsStub } from './aws-stub.js';
import { receiptStream, storeOrders } from './stored-files.js';

t.setTimeout(180_000);
const PASSWORD = 'temporary-password-of-iam';
const USER = 'IAM:loader';
const cluster = await startCluster(t, { users: { awsuser: '', [USER]: PASSWORD } });
await cluster.sql('CREATE SCHEMA shop');
const { port } = cluster.double;
const database = new URL(cluster.double.url).pathname.slice(1);

async function copy(query: string, stub: string, stdin: string, words: string[] = []): Promise<Ended> {
  const env = {
    ...testServers().env,
    TABLEPIPE_WAREHOUSE_URL: `redshift://loader@127.0.0.1:${port}/${database}?sslmode=disable&region=us-east-1&${query}`,
    TABLEPIPE_IAM_ROLE: ROLE,
    AWS_ENDPOINT_URL_REDSHIFT: stub,
    AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS: stub,
    AWS_ENDPOINT_URL_REDSHIFT_DATA: stub,
  };
  const prefix = `s3://${cluster.bucket}/${cluster.prefix}manifests/`;
  return run('rs-copy', ['shop.orders', '--create', '--manifest-prefix', prefix, ...words], { env, stdin });
}

const order = (id: number): { id: number; note: string; at: number } => ({ id, note: 'x', at: id });
const stored = async (...ids: number[]): Promise<string> => receiptStream(await storeOrders(cluster, [ids.map(order)]));

t.test('auth=iam: GetClusterCredentials of a cluster, GetCredentials of a workgroup', async (t) => {
  const stub = await startAwsStub({ user: USER, password: PASSWORD });
  t.teardown(() => stub.stop());
  const first = demandCode(await copy('auth=iam&cluster=wh', stub.url, await stored(1, 2)));
  const { action, body } = stub.asked[0] ?? { action: '', body: {} };
  t.equal(action, 'GetClusterCredentials');
  t.match(body, { ClusterIdentifier: 'wh', DbUser: 'loader', DbName: database, AutoCreate: 'false' });
  demandCode(await copy('auth=iam&workgroup=etl', stub.url, await stored(3)));
  t.match(stub.asked.at(-1), { action: 'GetCredentials', body: { workgroupName: 'etl', dbName: database } });
  t.equal(await cluster.value('SELECT count(*) FROM shop.orders'), '3');
  t.notMatch(String(first.stdout) + first.stderr, PASSWORD);
  t.notMatch(first.stderr, /AWS SDK/, 'the SDK says nothing of its own');
});

t.test('auth=iam: what goes wrong is said', async (t) => {
  const wrong = await startAwsStub({ user: USER, password: 'not-it' });
  t.teardown(() => wrong.stop());
  const refused = await copy('auth=iam&cluster=wh', wrong.url, await stored(4));
  t.equal(refused.code, 77);
  t.notMatch(refused.stderr, 'not-it');
  const nameless = await copy('auth=iam', wrong.url, await stored(4));
  t.equal(nameless.code, 78);
  t.match(nameless.stderr, /cluster=NAME or workgroup=NAME/);
  t.equal((await copy('auth=iam&cluster=wh', 'http://127.0.0.1:1', await stored(4))).code, 75);
  t.equal((await copy('auth=magic', wrong.url, await stored(4))).code, 64);
  t.equal((await copy('colour=red', wrong.url, await stored(4))).code, 64);
});

t.test('--via data-api: the same load, statement by statement, in one session', async (t) => {
  const stub = await startAwsStub({ database: cluster.double.url });
  t.teardown(() => stub.stop());
  const stdin = await stored(10, 11, 12);
  const loaded = demandCode(await copy('workgroup=etl', stub.url, stdin, ['--via', 'data-api']));
  t.match(JSON.parse(String(loaded.stdout).split('\n')[0] ?? ''), { status: 'loaded', rows: 3, merged: 3 });
  t.equal(await cluster.value('SELECT count(*) FROM shop.orders WHERE id >= 10'), '3');
  const again = demandCode(await copy('workgroup=etl', stub.url, stdin, ['--via', 'data-api']));
  t.match(JSON.parse(String(again.stdout).split('\n')[0] ?? ''), { status: 'already_loaded' });
  const executed = stub.asked.filter(({ action }) => action === 'ExecuteStatement').map(({ body }) => body);
  t.match(executed[0], { WorkgroupName: 'etl', Database: database });
  t.ok(executed.every(({ ClientToken }) => typeof ClientToken === 'string'));
  t.equal(executed.filter(({ SessionId }) => SessionId === undefined).length, 2, 'a session for each run');
});

t.test(
  '--via data-api: a serialization failure is tried again; a session that commits by itself is refused',
  async (t) => {
    const stub = await startAwsStub({ database: cluster.double.url });
    const loose = await startAwsStub({ database: cluster.double.url, autocommit: true });
    t.teardown(() => stub.stop());
    t.teardown(() => loose.stop());
    cluster.double.faults.inject1023();
    const loaded = demandCode(await copy('cluster=wh', stub.url, await stored(20), ['--via', 'data-api']));
    t.match(JSON.parse(String(loaded.stdout).split('\n')[0] ?? ''), { status: 'loaded', attempts: 2 });
    t.match(stub.asked[0]?.body, { ClusterIdentifier: 'wh', DbUser: 'loader' });
    const before = await cluster.value('SELECT count(*) FROM shop.orders');
    const refused = await copy('cluster=wh', loose.url, await stored(21), ['--via', 'data-api']);
    t.equal(refused.code, 78);
    t.match(refused.stderr, /ends a transaction after each statement/);
    t.equal(await cluster.value('SELECT count(*) FROM shop.orders'), before);
  },
);

t.test(
  'auth=iam: a refusal of the service is 77 with the right to ask for, a cluster it does not know 78',
  async (t) => {
    const denied = await startAwsStub({
      errors: { GetClusterCredentials: ['AccessDenied', 'ClusterNotFound'], GetCredentials: ['AccessDeniedException'] },
    });
    t.teardown(() => denied.stop());
    const stdin = await stored(5);
    const cluster = await copy('auth=iam&cluster=wh', denied.url, stdin);
    t.equal(cluster.code, 77);
    t.match(cluster.stderr, /password for wh: AccessDenied.*Allow redshift:GetClusterCredentials/s);
    t.equal((await copy('auth=iam&cluster=gone', denied.url, stdin)).code, 78);
    const workgroup = await copy('auth=iam&workgroup=etl', denied.url, stdin);
    t.equal(workgroup.code, 77);
    t.match(workgroup.stderr, /redshift-serverless:GetCredentials/);
  },
);

t.test('--via data-api: a secret instead of a user; throttling is waited out; a refusal is 77', async (t) => {
  const stub = await startAwsStub({
    database: cluster.double.url,
    errors: {
      ExecuteStatement: [undefined, 'ThrottlingException'],
      DescribeStatement: ['ThrottlingException'],
    },
  });
  t.teardown(() => stub.stop());
  const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:loader';
  const loaded = demandCode(
    await copy(`cluster=wh&secret=${encodeURIComponent(arn)}`, stub.url, await stored(30), ['--via', 'data-api']),
  );
  t.match(JSON.parse(String(loaded.stdout).split('\n')[0] ?? ''), { status: 'loaded', rows: 1 });
  const [first] = stub.asked.filter(({ action }) => action === 'ExecuteStatement');
  t.match(first?.body, { ClusterIdentifier: 'wh', SecretArn: arn });
  t.notOk(first?.body.DbUser, 'the secret names the user');
  const denied = await startAwsStub({ errors: { ExecuteStatement: ['AccessDeniedException'] } });
  t.teardown(() => denied.stop());
  const refused = await copy('workgroup=etl', denied.url, await stored(31), ['--via', 'data-api']);
  t.equal(refused.code, 77);
  t.match(refused.stderr, /redshift-data:\*/);
});
