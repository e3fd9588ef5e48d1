/** An S3 server for tests of the watermark, behind a gate that counts, cuts and, where needed, guards. */
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

/** `ignore` makes a store that takes the condition and does not enforce it. */
export async function testS3(options: { conditions?: 'enforce' | 'ignore' } = {}): Promise<TestS3> {
  const server = await startFauxqs({ port: 0, logger: false });
  const bucket = 'watermarks';
  server.createBucket(bucket);
  const upstream = `http://127.0.0.1:${server.port}`;
  const gate = await S3Gate.start({ upstream, conditions: options.conditions ?? 'enforce' });
  const env = {
    AWS_ENDPOINT_URL: gate.url,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_REGION: 'us-east-1',
  };
  // The client takes credentials from the process, as every AWS client does.
  for (const [name, value] of Object.entries(env)) process.env[name] ??= value;
  const clients: { destroy(): void }[] = [];
  return {
    name: `fauxqs behind a gate (${options.conditions ?? 'enforce'})`,
    gate,
    env,
    bucket,
    async store() {
      const client = await connectS3(env);
      clients.push(client);
      return new S3Store(client, bucket, `${randomBytes(6).toString('hex')}/`);
    },
    async stop() {
      for (const client of clients) client.destroy();
      await gate.stop();
      await server.stop();
    },
  };
}
