/**
 * The double as a process of its own, for tests that kill things. Prints its URL on one line, then serves until
 * SIGTERM or the end of stdin. A line `{"fault":"dropAnswerOfCommit","times":1}` on stdin arms a fault.
 *
 *     TABLEPIPE_DOUBLE_POSTGRES=postgres://…  TABLEPIPE_DOUBLE_ROLES=arn:…[ arn:…]  AWS_ENDPOINT_URL=…  node …/main.js
 */
import { createInterface } from 'node:readline';
import { connectS3 } from '../../../src/connect/s3.js';
import { startRedshiftDouble } from './double.js';
import type { FaultName } from './faults.js';

const { env } = process;
const postgres = env.TABLEPIPE_DOUBLE_POSTGRES;
if (postgres === undefined) throw new Error('TABLEPIPE_DOUBLE_POSTGRES is not set');
const roles = (env.TABLEPIPE_DOUBLE_ROLES ?? '').split(' ').filter((role) => role !== '');
const s3 = await connectS3(env);
const double = await startRedshiftDouble({
  postgres,
  s3,
  roles,
  ...(roles[0] === undefined ? {} : { defaultRole: roles[0] }),
  clusterRegion: env.AWS_REGION ?? 'us-east-1',
  port: Number(env.TABLEPIPE_DOUBLE_PORT ?? 0),
});
process.stdout.write(`${double.url}\n`);
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { fault, times = 1 } = JSON.parse(line) as { fault: FaultName; times?: number };
  double.faults.arm(fault, times);
  process.stdout.write(`${JSON.stringify({ armed: fault, times })}\n`);
});
lines.once('close', () => {
  // An open stdin would keep the process alive.
  process.stdin.destroy();
  s3.destroy();
  void double.stop();
});
process.once('SIGTERM', () => lines.close());
