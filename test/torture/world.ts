/** The servers a torture works on: its own, which it may kill, or those of `make test`, which it may not. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import mysql, { type Connection } from 'mysql2/promise';
import pg from 'pg';
import { connectS3 } from '../../src/connect/s3.js';
import { BUCKET } from '../support/bed.js';
import { startMariaDb } from '../support/mariadb.js';
import { startPostgres } from '../support/postgres.js';
import { type RedshiftDouble, startRedshiftDouble } from '../support/redshift-double/double.js';
import { startS3 } from '../support/s3-server.js';
import type { Server } from '../support/server.js';
import { type Servers, servers } from '../support/servers.js';
import { Calm } from './calm.js';
import type { ServerName } from './fault.js';
import type { RoundPlan } from './round-plan.js';

const ROLE = 'arn:aws:iam::123456789012:role/torture';

export class World {
  /** How often a server was killed: a run beside it may fail for that. */
  restarts = 0;
  readonly calm = new Calm();
  readonly labels: readonly string[];
  /** Words that must never be seen. */
  readonly secrets: readonly string[];
  readonly #mysqlPassword = `canary-${randomBytes(6).toString('hex')}+/=`;
  readonly #warehousePassword = `canary-${randomBytes(6).toString('hex')}%&`;

  private constructor(
    readonly addresses: Servers,
    readonly s3: S3Client,
    /** The database behind the doubles of Redshift. */
    private readonly behind: string,
    private readonly own: Readonly<Record<ServerName, Server>> | undefined,
    private readonly folder: string,
  ) {
    this.labels = own ? Object.values(own).map(({ label }) => label) : ['the servers of the environment'];
    const plain = [this.#mysqlPassword, this.#warehousePassword, addresses.aws.AWS_SECRET_ACCESS_KEY ?? ''];
    this.secrets = plain.flatMap((text) => [text, encodeURIComponent(text), Buffer.from(text).toString('base64')]);
  }

  /** Starts a MariaDB, a PostgreSQL and an S3 store. */
  static async start(say: (line: string) => void): Promise<World> {
    const folder = mkdtempSync(join(tmpdir(), 'torture-'));
    // The servers may run under another account.
    chmodSync(folder, 0o755);
    const within = (name: string) => ({ folder: join(folder, name), say });
    const [source, warehouse, store] = await Promise.all([
      startMariaDb(within('mysql')),
      startPostgres(within('warehouse')),
      startS3(within('s3')),
    ]);
    const aws = {
      AWS_ENDPOINT_URL: store.endpoint,
      AWS_ACCESS_KEY_ID: store.accessKeyId,
      AWS_SECRET_ACCESS_KEY: store.secretAccessKey,
      AWS_REGION: 'us-east-1',
    };
    const addresses = { mysqlUrl: source.url, warehouseUrl: warehouse.url, bucket: BUCKET, aws };
    const world = await World.#open(addresses, { mysql: source, warehouse, s3: store }, folder);
    await world.s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    return world;
  }

  /** On the servers of `make test`. */
  static join(): Promise<World> {
    return World.#open(servers(), undefined, mkdtempSync(join(tmpdir(), 'torture-')));
  }

  static async #open(addresses: Servers, own: World['own'], folder: string): Promise<World> {
    const database = `torture_${randomBytes(4).toString('hex')}`;
    await onWarehouse(addresses.warehouseUrl, `CREATE DATABASE ${database}`);
    const behind = new URL(addresses.warehouseUrl);
    behind.pathname = `/${database}`;
    // The client takes credentials from the process, as every AWS client does.
    Object.assign(process.env, addresses.aws);
    const s3 = await connectS3(addresses.aws);
    return new World(addresses, s3, behind.href, own, folder);
  }

  /** A double of Redshift; stop it yourself. */
  double(): Promise<RedshiftDouble> {
    const bucketRegions = { [this.addresses.bucket]: 'us-east-1' };
    return startRedshiftDouble({ postgres: this.behind, s3: this.s3, roles: [ROLE], bucketRegions });
  }

  /** An account that may read, and whose sessions can be told from others by its name. */
  async addReader(source: Connection, name: string): Promise<void> {
    await source.query(`CREATE USER ${name}@'%' IDENTIFIED BY ?`, [this.#mysqlPassword]);
    await source.query(`GRANT SELECT, PROCESS ON *.* TO ${name}@'%'`);
  }

  /** What the programs of a line read, with secrets in it; each server is reached at the given port of this machine. */
  environment(
    warehouse: RoundPlan['warehouse'],
    reader: string,
    ports: Readonly<Record<ServerName, number>>,
  ): Record<string, string> {
    const source = new URL('mysql://127.0.0.1');
    source.username = reader;
    source.password = encodeURIComponent(this.#mysqlPassword);
    source.port = String(ports.mysql);
    const target = new URL(warehouse === 'postgres' ? this.addresses.warehouseUrl : this.behind);
    target.password = encodeURIComponent(this.#warehousePassword);
    target.port = String(ports.warehouse);
    target.search = warehouse === 'postgres' ? `?application_name=${reader}` : '?sslmode=disable';
    return {
      ...this.addresses.aws,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${ports.s3}`,
      TABLEPIPE_MYSQL_URL: source.href,
      TABLEPIPE_WAREHOUSE_URL: warehouse === 'postgres' ? target.href : target.href.replace('postgres:', 'redshift:'),
      ...(warehouse === 'redshift' ? { TABLEPIPE_IAM_ROLE: ROLE } : {}),
    };
  }

  /** A connection with every right, past every proxy. */
  source(): Promise<Connection> {
    return mysql.createConnection({ uri: this.addresses.mysqlUrl });
  }

  /** A client past every proxy; for Redshift past the double. */
  async target(warehouse: RoundPlan['warehouse']): Promise<pg.Client> {
    const url = warehouse === 'postgres' ? this.addresses.warehouseUrl : this.behind;
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  /** SIGKILL and a new start on the same data, unless somebody needs the servers until `over`; whether it was done. */
  restart(name: ServerName, over: Promise<unknown>): Promise<boolean> {
    const server = this.own?.[name];
    if (!server) throw new Error(`${name} is not ours to kill`);
    return this.calm.broken(over, async () => {
      this.restarts += 1;
      await server.kill();
      await server.restart();
      this.restarts += 1;
    });
  }

  async stop(): Promise<void> {
    await onWarehouse(
      this.addresses.warehouseUrl,
      `DROP DATABASE ${new URL(this.behind).pathname.slice(1)} WITH (FORCE)`,
    );
    this.s3.destroy();
    for (const server of Object.values(this.own ?? {})) await server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function onWarehouse(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
