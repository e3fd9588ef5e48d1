/** A double of Redshift over the test servers, with a database and an S3 prefix of its own, and ways to ask it. */
import { randomBytes } from 'node:crypto';
import { DeleteObjectsCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import type { Test } from 'tap';
import { connectS3 } from '../../src/connect/s3.js';
import { retry } from '../../src/retry.js';
import { type DoubleOptions, type RedshiftDouble, startRedshiftDouble } from '../support/redshift-double/double.js';
import { type FixtureColumn, type FixtureOptions, parquetFixture } from './parquet-fixture.js';

export const ROLE = 'arn:aws:iam::123456789012:role/load';
export const SECOND_ROLE = 'arn:aws:iam::123456789012:role/read';
export const KEYS = { id: 'AKIADOUBLE', secret: 'double/secret+key' };

export interface Refusal {
  code: string;
  message: string;
  detail: string;
}

export class Cluster {
  readonly double: RedshiftDouble;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly prefix: string;
  /** The database behind the double, for looking past it. */
  readonly behind: string;
  readonly client: pg.Client;
  readonly notices: string[] = [];
  readonly #clients: pg.Client[] = [];
  readonly #dropDatabase: () => Promise<void>;

  constructor(parts: {
    double: RedshiftDouble;
    s3: S3Client;
    bucket: string;
    prefix: string;
    behind: string;
    client: pg.Client;
    dropDatabase: () => Promise<void>;
  }) {
    this.double = parts.double;
    this.s3 = parts.s3;
    this.bucket = parts.bucket;
    this.prefix = parts.prefix;
    this.behind = parts.behind;
    this.client = parts.client;
    this.#dropDatabase = parts.dropDatabase;
    this.client.on('notice', (notice) => this.notices.push(notice.message ?? ''));
  }

  /** A second session. */
  async session(user = 'awsuser'): Promise<pg.Client> {
    const client = await open(this.double.url.replace('awsuser', user));
    this.#clients.push(client);
    return client;
  }

  /** All rows of the last statement, as text. */
  async sql(text: string, client = this.client): Promise<(string | null)[][]> {
    const results = await client.query<(string | null)[]>({ text, rowMode: 'array', types: AS_TEXT });
    const list = Array.isArray(results) ? (results as (typeof results)[]) : [results];
    return list.at(-1)?.rows ?? [];
  }

  /** The one value of the one row. */
  async value(text: string, client = this.client): Promise<string | null | undefined> {
    return (await this.sql(text, client))[0]?.[0];
  }

  /** The error of a statement that must fail; a transaction it leaves open is rolled back. */
  async refusal(text: string, client = this.client): Promise<Refusal> {
    try {
      await client.query(text);
    } catch (error) {
      const { code = '', message, detail = '' } = error as pg.DatabaseError;
      return { code, message, detail };
    }
    throw new Error(`the double accepted: ${text.slice(0, 500)}`);
  }

  url(name: string): string {
    return `s3://${this.bucket}/${this.prefix}${name}`;
  }

  async put(name: string, text: Buffer | string): Promise<string> {
    const command = { Bucket: this.bucket, Key: `${this.prefix}${name}`, Body: Buffer.from(text as string) };
    // A connection the store closes under load says nothing about what is tested.
    const patience = { budgetMs: 30_000, attempts: 5, permanent: () => false, signal: new AbortController().signal };
    await retry(() => this.s3.send(new PutObjectCommand(command)), patience);
    return this.url(name);
  }

  async putParquet(name: string, columns: readonly FixtureColumn[], options?: FixtureOptions): Promise<Entry> {
    const bytes = parquetFixture(columns, options);
    return { url: await this.put(name, bytes), mandatory: true, meta: { content_length: bytes.length } };
  }

  async putManifest(name: string, entries: readonly unknown[]): Promise<string> {
    return this.put(name, JSON.stringify({ entries }));
  }

  /** `COPY table FROM 'url' IAM_ROLE '…' FORMAT AS PARQUET …`. */
  copySql(table: string, url: string, rest = ''): string {
    return `COPY ${table} FROM '${url}' IAM_ROLE '${ROLE}' FORMAT AS PARQUET ${rest}`;
  }

  /** Loads one file by its exact key through a manifest. */
  async load(table: string, columns: readonly FixtureColumn[], rest = '', options?: FixtureOptions): Promise<string> {
    const name = randomBytes(6).toString('hex');
    const entry = await this.putParquet(`${name}.parquet`, columns, options);
    return this.copySql(table, await this.putManifest(`${name}.manifest`, [entry]), `MANIFEST ${rest}`);
  }

  async stop(): Promise<void> {
    for (const client of [...this.#clients, this.client]) await client.end().catch(() => undefined);
    await this.double.stop();
    await emptied(this.s3, this.bucket, this.prefix);
    this.s3.destroy();
    await this.#dropDatabase();
  }
}

export interface Entry {
  url: string;
  mandatory?: boolean;
  meta?: { content_length?: number };
}

const AS_TEXT = { getTypeParser: () => (value: unknown) => value };

async function open(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Starts one for a test file; it is stopped and its traces removed when the file ends. */
export async function startCluster(t: Test, options: Partial<DoubleOptions> = {}): Promise<Cluster> {
  const { warehouse, bucket, env } = testServers();
  const database = `double_${randomBytes(6).toString('hex')}`;
  await onServer(warehouse, `CREATE DATABASE ${database}`);
  const behind = new URL(warehouse);
  behind.pathname = `/${database}`;
  const s3 = await connectS3(env);
  const double = await startRedshiftDouble({
    postgres: behind.href,
    s3,
    roles: [ROLE, SECOND_ROLE],
    defaultRole: ROLE,
    accessKeys: { [KEYS.id]: KEYS.secret },
    bucketRegions: { [bucket]: 'us-east-1' },
    ...options,
  });
  const cluster = new Cluster({
    double,
    s3,
    bucket,
    prefix: `${database}/`,
    behind: behind.href,
    client: await open(double.url),
    dropDatabase: () => onServer(warehouse, `DROP DATABASE ${database} WITH (FORCE)`),
  });
  t.teardown(() => cluster.stop());
  return cluster;
}

/** The servers the tests run against, and the environment a program needs to reach S3. */
export function testServers(): { warehouse: string; bucket: string; env: Record<string, string> } {
  const {
    TABLEPIPE_TEST_WAREHOUSE_URL: warehouse,
    TABLEPIPE_TEST_S3_BUCKET: bucket,
    TABLEPIPE_TEST_S3_ENDPOINT: endpoint,
    ...rest
  } = process.env;
  if (warehouse === undefined || bucket === undefined || endpoint === undefined) {
    throw new Error('the test servers are not there: run `make test`, or `make up` and `. .run/env`');
  }
  const names = ['PATH', 'HOME', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'];
  const env = Object.fromEntries(names.flatMap((name) => (rest[name] === undefined ? [] : [[name, rest[name]]])));
  return { warehouse, bucket, env: { AWS_REGION: 'us-east-1', ...env, AWS_ENDPOINT_URL: endpoint } };
}

export async function onServer(url: string, sql: string): Promise<void> {
  const client = await open(url);
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function emptied(s3: S3Client, bucket: string, prefix: string): Promise<void> {
  for (;;) {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    const keys = (page.Contents ?? []).map(({ Key }) => ({ Key }));
    if (keys.length === 0) return;
    await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys } }));
  }
}
