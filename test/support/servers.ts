/**
 * The servers a test run may use. `make test` starts them once and hands their addresses over in the environment;
 * addresses that are already set there, of servers of one's own, are used as they are.
 */
import mysql, { type Connection } from 'mysql2/promise';
import pg from 'pg';

export interface Servers {
  mysqlUrl: string;
  warehouseUrl: string;
  bucket: string;
  /** What an AWS client needs to reach the object store. */
  aws: Readonly<Record<string, string>>;
}

/** Reads the environment; throws, naming what is missing, when the tests were not started by `make test`. */
export function servers(): Servers {
  return {
    mysqlUrl: demanded('TABLEPIPE_TEST_MYSQL_URL'),
    warehouseUrl: demanded('TABLEPIPE_TEST_WAREHOUSE_URL'),
    bucket: demanded('TABLEPIPE_TEST_S3_BUCKET'),
    aws: {
      AWS_ENDPOINT_URL: demanded('TABLEPIPE_TEST_S3_ENDPOINT'),
      AWS_ACCESS_KEY_ID: demanded('AWS_ACCESS_KEY_ID'),
      AWS_SECRET_ACCESS_KEY: demanded('AWS_SECRET_ACCESS_KEY'),
      AWS_REGION: process.env.AWS_REGION ?? 'us-east-1',
    },
  };
}

function demanded(name: string): string {
  const value = process.env[name];
  if (!value)
    throw new Error(`${name} is not set: run the tests with \`make test\`, or \`make up\` and \`. .run/env\` first`);
  return value;
}

/** A connection to the source; end it yourself. */
export function connectSource(database?: string): Promise<Connection> {
  const url = new URL(servers().mysqlUrl);
  if (database !== undefined) url.pathname = `/${database}`;
  return mysql.createConnection({ uri: url.href, multipleStatements: false, supportBigNumbers: true });
}

/** A connected client of the warehouse; end it yourself. */
export async function connectTarget(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: servers().warehouseUrl });
  await client.connect();
  return client;
}
