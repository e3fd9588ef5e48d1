/**
 * An S3 store for tests of the watermark, behind a gate that counts and cuts. The server the tests were given
 * (TABLEPIPE_TEST_S3_ENDPOINT) has to enforce the condition itself; without one, fauxqs serves and the gate guards.
 */
import { randomBytes } from 'node:crypto';
import { startFauxqs } from 'fauxqs';
import { connectS3 } from '../../src/connect/s3.js';
import { S3Store } from '../../src/watermark/s3-store.js';
import { S3Gate } from './s3-gate.js';

export interface TestS3 {
  name: string;
  gate: S3Gate;
  /** What a program needs to reach it. */
  env: Record<string, string>;
  /** A bucket that exists. */
  bucket: string;
  /** A store below a prefix of its own. */
  store(): Promise<S3Store>;
  stop(): Promise<void>;
}

export interface TestS3Options {
  /** `ignore` makes a store that takes the condition and does not enforce it. */
  conditions?: 'enforce' | 'ignore';
  /** Fauxqs even where there is a server. */
  small?: boolean;
}

interface Upstream {
  name: string;
  url: string;
  bucket: string;
  keys: { id: string; secret: string };
  /** True when the server enforces conditions itself. */
  honest: boolean;
  stop(): Promise<void>;
}

export async function testS3({ conditions, small = false }: TestS3Options = {}): Promise<TestS3> {
  const given = small ? undefined : givenServer();
  const upstream = given ?? (await ownServer());
  const enforcing = conditions ?? (upstream.honest ? 'pass' : 'enforce');
  const gate = await S3Gate.start({ upstream: upstream.url, conditions: enforcing });
  const { bucket, keys } = upstream;
  const env = {
    AWS_ENDPOINT_URL: gate.url,
    AWS_ACCESS_KEY_ID: keys.id,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_REGION: 'us-east-1',
  };
  const clients: { destroy(): void }[] = [];
  return {
    name: `${upstream.name} behind a gate (${enforcing})`,
    gate,
    env,
    bucket,
    async store() {
      // The client takes credentials from the process, as every AWS client does.
      Object.assign(process.env, env);
      const client = await connectS3(env);
      clients.push(client);
      return new S3Store(client, bucket, `wm-test/${randomBytes(6).toString('hex')}/`);
    },
    async stop() {
      for (const client of clients) client.destroy();
      await gate.stop();
      await upstream.stop();
    },
  };
}

/** The server the test run started, or the user's own. */
function givenServer(): Upstream | undefined {
  const { TABLEPIPE_TEST_S3_ENDPOINT: url, TABLEPIPE_TEST_S3_BUCKET: bucket, ...env } = process.env;
  if (url === undefined || bucket === undefined) return undefined;
  given ??= { id: env.AWS_ACCESS_KEY_ID ?? '', secret: env.AWS_SECRET_ACCESS_KEY ?? '' };
  return { name: 'the given server', url, bucket, keys: given, honest: true, stop: async () => {} };
}

/** Kept from before a store of another server changed the process's own. */
let given: { id: string; secret: string } | undefined;

async function ownServer(): Promise<Upstream> {
  const server = await startFauxqs({ port: 0, logger: false });
  const bucket = 'watermarks';
  server.createBucket(bucket);
  const url = `http://127.0.0.1:${server.port}`;
  const keys = { id: 'test', secret: 'test' };
  return { name: 'fauxqs', url, bucket, keys, honest: false, stop: () => server.stop() };
}
