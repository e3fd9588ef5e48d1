/** The servers of one run, started together in a temporary folder and described by environment variables. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { connectS3 } from '../../src/connect/s3.js';
import { startMariaDb } from './mariadb.js';
import { startPostgres } from './postgres.js';
import { type S3Server, startS3 } from './s3-server.js';
import type { Server } from './server.js';

export interface Bed {
  /** What the servers are, with versions, for people. */
  readonly labels: readonly string[];
  /** Holds all data, configuration and logs. */
  readonly folder: string;
  readonly pids: readonly number[];
  /** Variables that the programs read as defaults (TABLEPIPE_*, AWS_*), so that a shell can use the servers. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops every server and removes the folder. */
  stop(): Promise<void>;
}

export interface BedSettings {
  /** Which servers are wanted. */
  mysql: boolean;
  warehouse: boolean;
  /** `double` for the small store. */
  s3: boolean | 'double';
  say: (line: string) => void;
  /** The servers go on when this process ends. */
  outlives?: boolean;
}

export const BUCKET = 'lake';

/** Starts what is wanted, side by side. When one cannot start, the others are stopped again and the error is that one's. */
export async function startBed(settings: BedSettings): Promise<Bed> {
  const folder = mkdtempSync(join(tmpdir(), 'tablepipe-'));
  // The servers may run under another account.
  chmodSync(folder, 0o755);
  const { say, outlives = false } = settings;
  const env: Record<string, string> = {};
  const within = (name: string) => ({ folder: join(folder, name), say, outlives });
  const starts: Promise<Server>[] = [];
  if (settings.mysql) starts.push(startMariaDb(within('mysql')).then((it) => ((env.TABLEPIPE_MYSQL_URL = it.url), it)));
  if (settings.warehouse)
    starts.push(startPostgres(within('warehouse')).then((it) => ((env.TABLEPIPE_WAREHOUSE_URL = it.url), it)));
  if (settings.s3)
    starts.push(
      startS3({ ...within('s3'), double: settings.s3 === 'double' }).then(async (it) => {
        Object.assign(env, {
          TABLEPIPE_BUCKET: BUCKET,
          TABLEPIPE_WM_STORE: `s3://${BUCKET}/watermarks/`,
          AWS_ENDPOINT_URL: it.endpoint,
          AWS_ACCESS_KEY_ID: it.accessKeyId,
          AWS_SECRET_ACCESS_KEY: it.secretAccessKey,
          AWS_REGION: 'us-east-1',
          ...(it.keepsData ? {} : { TABLEPIPE_TEST_S3_DOUBLE: it.label }),
        });
        await makeBucket(it);
        return it;
      }),
    );
  const settled = await Promise.allSettled(starts);
  const servers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(folder, { recursive: true, force: true });
  };
  const failed = settled.find((each) => each.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return {
    labels: servers.map(({ label }) => label),
    folder,
    pids: servers.flatMap((server) => server.pids()),
    env,
    stop,
  };
}

async function makeBucket({ endpoint, accessKeyId, secretAccessKey }: S3Server): Promise<void> {
  const client = await connectS3({}, { endpoint });
  client.config.credentials = async () => ({ accessKeyId, secretAccessKey });
  try {
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  } finally {
    client.destroy();
  }
}
