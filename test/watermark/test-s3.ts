/**
 * An S3 store for tests of the watermark, behind a proxy that counts and cuts. The server the tests were given
 * (TABLEPIPE_TEST_S3_ENDPOINT) has to enforce the condition itself; without one, fauxqs serves behind its guard.
 */
import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { startFauxqs } from 'fauxqs';
import { connectS3 } from '../../src/connect/s3.js';
import { REMOVED_AT_ONCE, type Seen, removeObjects } from '../../src/sink/removal.js';
import { listObjects } from '../../src/source/listing.js';
import { S3Store } from '../../src/watermark/s3-store.js';
import { freePort } from '../support/port.js';
import { startGuard } from '../support/s3-guard.js';
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js';

export interface TestS3 {
  name: string;
  proxy: S3Proxy;
  /** What a program needs to reach it. */
  env: Record<string, string>;
  /** A bucket that exists. */
  bucket: string;
  /** A store below a prefix of its own. */
  store(): Promise<S3Store>;
  /** The same place past the proxy, for filling it. */
  past(store: S3Store): Promise<S3Store>;
  /** Removes what the stores hold. */
  stop(): Promise<void>;
}

export interface TestS3Options {
  /** A store that takes the condition and does not enforce it: fauxqs, which checks no signature, and the header dropped. */
  permissive?: boolean;
}

interface Upstream {
  name: string;
  url: string;
  bucket: string;
  keys: { id: string; secret: string };
  stop(): Promise<void>;
}

export async function testS3({ permissive = false }: TestS3Options = {}): Promise<TestS3> {
  const given = permissive ? undefined : givenServer();
  const upstream = given ?? (await ownServer());
  const proxy = await startS3Proxy({ to: upstream.url });
  if (permissive) proxy.arm({ operation: 'put', fault: { dropHeader: 'if-none-match' }, times: Infinity });
  const { bucket, keys } = upstream;
  const env = {
    AWS_ENDPOINT_URL: proxy.url,
    AWS_ACCESS_KEY_ID: keys.id,
    AWS_SECRET_ACCESS_KEY: keys.secret,
    AWS_REGION: 'us-east-1',
  };
  const clients: S3Client[] = [];
  const connected = async (endpoint?: string): Promise<S3Client> => {
    // The client takes credentials from the process, as every AWS client does.
    Object.assign(process.env, env);
    const client = await connectS3(env, endpoint === undefined ? {} : { endpoint });
    clients.push(client);
    return client;
  };
  const prefixes: string[] = [];
  return {
    name: `${upstream.name} behind a proxy`,
    proxy,
    env,
    bucket,
    async store() {
      const prefix = `wm-test/${randomBytes(6).toString('hex')}/`;
      prefixes.push(prefix);
      return new S3Store(await connected(), bucket, prefix);
    },
    async past(store) {
      return new S3Store(await connected(upstream.url), bucket, store.url.slice(`s3://${bucket}/`.length));
    },
    async stop() {
      const client = await connected(upstream.url);
      for (const prefix of prefixes) await emptied(`s3://${bucket}/${prefix}`, client);
      for (const one of clients) one.destroy();
      await proxy.close();
      await upstream.stop();
    },
  };
}

async function emptied(folder: string, client: S3Client): Promise<void> {
  const access = { s3: async () => client, signal: new AbortController().signal, patienceMs: 10_000 };
  const asSeen = async (some: readonly Seen[]) => new Map(some.map(({ url, modified }) => [url, modified]));
  const seen: Seen[] = [];
  for await (const one of listObjects(folder, access)) {
    seen.push(one);
    if (seen.length === REMOVED_AT_ONCE) await removeObjects(seen.splice(0), asSeen, access);
  }
  await removeObjects(seen, asSeen, access);
}

/** The server the test run started, or the user's own. */
function givenServer(): Upstream | undefined {
  const { TABLEPIPE_TEST_S3_ENDPOINT: url, TABLEPIPE_TEST_S3_BUCKET: bucket, ...env } = process.env;
  if (url === undefined || bucket === undefined) return undefined;
  given ??= { id: env.AWS_ACCESS_KEY_ID ?? '', secret: env.AWS_SECRET_ACCESS_KEY ?? '' };
  return { name: 'the given server', url, bucket, keys: given, stop: async () => {} };
}

/** Kept from before a store of another server changed the process's own. */
let given: { id: string; secret: string } | undefined;

async function ownServer(): Promise<Upstream> {
  const server = await startFauxqs({ port: 0, logger: false });
  const bucket = 'watermarks';
  server.createBucket(bucket);
  const port = await freePort();
  const guard = await startGuard({ upstreamPort: server.port, port });
  const keys = { id: 'test', secret: 'test' };
  const stop = async (): Promise<void> => {
    guard.close();
    guard.closeAllConnections();
    await server.stop();
  };
  return { name: 'fauxqs behind a guard', url: `http://127.0.0.1:${port}`, bucket, keys, stop };
}
