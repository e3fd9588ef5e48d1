/** Servers for tests: those the environment names are used as they are, the others are started. */
import { type Bed, startBed } from './bed.js';

/** What `test/support/servers.ts` reads; when one is missing, a server of that kind is started. */
const TEST_VARIABLES = {
  mysql: ['TABLEPIPE_TEST_MYSQL_URL'],
  warehouse: ['TABLEPIPE_TEST_WAREHOUSE_URL'],
  s3: ['TABLEPIPE_TEST_S3_ENDPOINT', 'TABLEPIPE_TEST_S3_BUCKET', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
} as const;

/** Starts what the environment does not name, and writes the addresses into it, for the tests this process starts. */
export async function startMissing(say: (line: string) => void): Promise<Bed> {
  const missing = (kind: keyof typeof TEST_VARIABLES): boolean =>
    TEST_VARIABLES[kind].some((name) => !process.env[name]);
  const wanted = { mysql: missing('mysql'), warehouse: missing('warehouse'), s3: missing('s3') };
  const bed = await startBed({ ...wanted, say });
  const { env } = bed;
  if (wanted.mysql) process.env.TABLEPIPE_TEST_MYSQL_URL = env.TABLEPIPE_MYSQL_URL;
  if (wanted.warehouse) process.env.TABLEPIPE_TEST_WAREHOUSE_URL = env.TABLEPIPE_WAREHOUSE_URL;
  if (wanted.s3) {
    process.env.TABLEPIPE_TEST_S3_ENDPOINT = env.AWS_ENDPOINT_URL;
    process.env.TABLEPIPE_TEST_S3_BUCKET = env.TABLEPIPE_BUCKET;
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION', 'TABLEPIPE_TEST_S3_DOUBLE'])
      if (env[name] !== undefined) process.env[name] = env[name];
  }
  const named = Object.entries(wanted).flatMap(([kind, start]) => (start ? [] : [`${kind} from the environment`]));
  say(`servers: ${[...bed.labels, ...named].join(', ')}`);
  return bed;
}
