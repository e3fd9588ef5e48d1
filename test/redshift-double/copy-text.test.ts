/** Rules 1 to 5, 39, 40 and 64 of reference/redshift.md section 7: the text of COPY, access, and what is logged. */
import t from 'tap';
import { type Cluster, KEYS, ROLE, SECOND_ROLE, startCluster } from './cluster.js';
import { SHAPE } from './parquet-fixture.js';

const cluster: Cluster = await startCluster(t, { extended: true });
await cluster.sql('CREATE TABLE t (id INTEGER)');
const entry = await cluster.putParquet('one.parquet', [{ name: 'id', ...SHAPE.int32, values: [1, 2, 3] }]);
const manifest = await cluster.putManifest('one.manifest', [entry]);
const copy = (authorization: string, rest = 'FORMAT AS PARQUET MANIFEST'): string =>
  `COPY t FROM '${manifest}' ${authorization} ${rest}`;

t.test('1. only the parameters Amazon lists for columnar formats', async (t) => {
  await cluster.sql(copy(`IAM_ROLE '${ROLE}'`));
  await cluster.sql(`COPY t (id) FROM '${manifest}' MANIFEST PARQUET STATUPDATE OFF IAM_ROLE '${ROLE}' MAXERROR 0`);
  t.equal(await cluster.value('SELECT count(*) FROM t'), '6');
  const refused = {
    REGION: "REGION 'us-east-1'",
    TRUNCATECOLUMNS: 'TRUNCATECOLUMNS',
    COMPUPDATE: 'COMPUPDATE OFF',
    ACCEPTANYDATE: 'ACCEPTANYDATE',
    MAXERROR: 'MAXERROR 5',
    IGNOREALLERRORS: 'IGNOREALLERRORS',
    NOLOAD: 'NOLOAD',
    GZIP: 'GZIP',
    ZSTD: 'ZSTD',
    DELIMITER: "DELIMITER ','",
    BLANKSASNULL: 'BLANKSASNULL',
    DATEFORMAT: "DATEFORMAT AS 'auto'",
    ROUNDEC: 'ROUNDEC',
    COMPROWS: 'COMPROWS 10',
    BZIP2: 'BZIP2',
    LZOP: 'LZOP',
    EMPTYASNULL: 'EMPTYASNULL',
    TIMEFORMAT: "TIMEFORMAT AS 'auto'",
    TRIMBLANKS: 'TRIMBLANKS',
    IGNOREHEADER: 'IGNOREHEADER 1',
    ESCAPE: 'ESCAPE',
    ENCODING: "ENCODING 'UTF8'",
  };
  for (const [name, text] of Object.entries(refused)) {
    t.match(await cluster.refusal(copy(`IAM_ROLE '${ROLE}'`, `FORMAT PARQUET MANIFEST ${text}`)), {
      code: '0A000',
      message: `${name} argument is not supported for PARQUET based COPY`,
    });
  }
  t.match(await cluster.refusal(copy(`IAM_ROLE '${ROLE}'`, 'FORMAT PARQUET SURPRISE')), { code: '42601' });
});

t.test('2. COPY of text, CSV, JSON, ORC and Avro is outside', async (t) => {
  for (const format of ['', 'CSV', "FORMAT AS JSON 'auto'", 'FORMAT ORC', "FORMAT AVRO 'auto'", 'FIXEDWIDTH']) {
    t.match(await cluster.refusal(copy(`IAM_ROLE '${ROLE}'`, `${format} MANIFEST`)), { message: /UNVERIFIED/ }, format);
  }
});

t.test('3. exactly one well-formed authorization, or an error before any read', async (t) => {
  for (const good of [
    `IAM_ROLE '${ROLE}'`,
    `IAM_ROLE '${ROLE},${SECOND_ROLE}'`,
    'IAM_ROLE default',
    `CREDENTIALS 'aws_iam_role=${ROLE}'`,
    `WITH CREDENTIALS AS 'aws_access_key_id=${KEYS.id};aws_secret_access_key=${KEYS.secret}'`,
    `ACCESS_KEY_ID '${KEYS.id}' SECRET_ACCESS_KEY '${KEYS.secret}'`,
    `ACCESS_KEY_ID '${KEYS.id}' SECRET_ACCESS_KEY '${KEYS.secret}' SESSION_TOKEN 'abc'`,
  ]) {
    await cluster.sql(copy(good));
  }
  const before = await cluster.value('SELECT pg_last_copy_id()');
  for (const bad of [
    '',
    `IAM_ROLE '${ROLE}' CREDENTIALS 'aws_iam_role=${ROLE}'`,
    `IAM_ROLE default ACCESS_KEY_ID '${KEYS.id}' SECRET_ACCESS_KEY '${KEYS.secret}'`,
    "IAM_ROLE 'arn:aws:iam::12345:role/load'",
    "IAM_ROLE 'load'",
    `IAM_ROLE '${ROLE}, ${SECOND_ROLE}'`,
    `CREDENTIALS 'aws_iam_role= ${ROLE}'`,
    `CREDENTIALS 'aws_access_key_id=${KEYS.id}; aws_secret_access_key=${KEYS.secret}'`,
    `ACCESS_KEY_ID '${KEYS.id}'`,
  ]) {
    t.match((await cluster.refusal(copy(bad))).code, /^(42601|XX000)$/, bad.replace(KEYS.secret, '…'));
  }
  t.equal(await cluster.value('SELECT pg_last_copy_id()'), before, 'the id stands still');
});

t.test('4. a role that is not attached, a key nobody knows, an object that may not be read', async (t) => {
  const stranger = 'arn:aws:iam::123456789012:role/stranger';
  t.match(await cluster.refusal(copy(`IAM_ROLE '${stranger}'`)), { code: 'XX000', message: /UnauthorizedException/ });
  t.match(await cluster.refusal(copy(`IAM_ROLE '${ROLE},${stranger}'`)), { message: /stranger/ });
  t.match(await cluster.refusal(copy("ACCESS_KEY_ID 'AKIANOBODY' SECRET_ACCESS_KEY 'x'")), {
    message: /S3ServiceException:.*403/,
  });
  const gone = copy(`IAM_ROLE '${ROLE}'`).replace(cluster.bucket, `${cluster.bucket}-which-is-not-there`);
  t.match(await cluster.refusal(gone), { code: 'XX000', message: /S3ServiceException:/ });
  const bare = await startCluster(t, { defaultRole: undefined as never, roles: [] });
  await bare.sql('CREATE TABLE t (id INTEGER)');
  t.match(await bare.refusal(copy('IAM_ROLE default')), { message: /UNVERIFIED: no default role/ });
});

t.test('5. the bucket must be in the region of the cluster', async (t) => {
  cluster.double.bucketRegions.set(cluster.bucket, 'eu-central-1');
  t.match(await cluster.refusal(copy(`IAM_ROLE '${ROLE}'`)), { code: 'XX000', message: /different region.*301/ });
  cluster.double.bucketRegions.set(cluster.bucket, 'us-east-1');
  const id = Number(await cluster.value('SELECT pg_last_copy_id()'));
  await cluster.sql(copy(`IAM_ROLE '${ROLE}'`));
  t.ok(Number(await cluster.value('SELECT pg_last_copy_id()')) > id);
  const elsewhere = await cluster.putManifest('elsewhere.manifest', [{ ...entry, url: 's3://tokyo/one.parquet' }]);
  cluster.double.bucketRegions.set('tokyo', 'ap-northeast-1');
  const refusal = await cluster.refusal(cluster.copySql('t', elsewhere, 'MANIFEST'));
  t.match(refusal.code, 'XX000', 'a bucket named only in the manifest is no exception');
});

t.test('39. COPY as a simple query; parameters in it are refused', async (t) => {
  t.equal((await cluster.client.query(copy('IAM_ROLE default'))).command, 'COPY');
  const extended = { text: copy('IAM_ROLE default'), name: 'prepared' };
  t.equal((await cluster.client.query(extended)).command, 'COPY', 'extended, without parameters');
  for (const [text, value] of [
    [`COPY t FROM $1 IAM_ROLE default FORMAT PARQUET`, manifest],
    [`COPY t FROM '${manifest}' IAM_ROLE $1 FORMAT PARQUET MANIFEST`, ROLE],
  ] as const) {
    await t.rejects(cluster.client.query(text, [value]), { code: 'XX000', message: /UNVERIFIED: parameters in COPY/ });
  }
});

t.test('40. COPY from and to the client does not exist', async (t) => {
  t.match(await cluster.refusal('COPY t FROM STDIN'), { code: '0A000', message: /LOAD source is not supported/ });
  t.match(await cluster.refusal("COPY t FROM '/tmp/file' CSV"), { code: '0A000', message: /LOAD source/ });
  t.match(await cluster.refusal('COPY t TO STDOUT'), { code: '42601' });
  t.match(await cluster.refusal('COPY (SELECT 1) TO STDOUT'), {
    code: '42601',
    message: 'syntax error at or near "("',
  });
});

t.test('64. no secret and no value gets into the log', async (t) => {
  await cluster.sql(copy(`ACCESS_KEY_ID '${KEYS.id}' SECRET_ACCESS_KEY '${KEYS.secret}' SESSION_TOKEN 'hush-hush'`));
  await cluster.sql('CREATE TABLE said (words VARCHAR(20))');
  await cluster.sql("INSERT INTO said VALUES ('private words')");
  const log = JSON.stringify(cluster.double.log());
  for (const secret of [KEYS.id, KEYS.secret, 'hush-hush', 'private words']) t.notMatch(log, secret);
  t.match(log, manifest, 'where COPY reads from is kept');
});
