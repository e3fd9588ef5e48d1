/** One soak: a narrow table of many rows through the line of the README, while somebody watches the stages. */
import { randomBytes } from 'node:crypto';
import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { connectS3 } from '../../src/connect/s3.js';
import { listObjects } from '../../src/source/listing.js';
import { type PipelineEnd, pipeline } from '../support/pipeline.js';
import { connectSource, connectTarget, servers } from '../support/servers.js';
import { type Engine, type Sum, bytesOf, createEvents, sourceSum, targetSum } from './soak-table.js';
import { type Sampler, type StageSamples, sampleStages } from './stage-samples.js';

export const STAGES = ['mysql-extract', 'to-parquet', 's3-put', 'wm', 'rs-copy'] as const;

export interface SoakSettings {
  rows: number;
  engine?: Engine;
  /** As `to-parquet --split-size` takes it. */
  splitSize?: string;
  sampleMs?: number;
  say: (line: string) => void;
  /** Ends the line, which is then told of like one that failed, or the making of the table, which fails the soak. */
  signal?: AbortSignal;
}

export interface Soak {
  /** Names the database, the schema and the prefix. */
  id: string;
  /** How the line ended; what follows is told of one that failed as well. */
  end: PipelineEnd;
  stages: StageSamples[];
  /** From the start of the line to its end. */
  seconds: number;
  source: Sum;
  target: Sum;
  objects: number;
  /** What the rows took: the table, the objects, the loaded table with its key. */
  bytes: { mysql: number; s3: number; warehouse: number };
}

/** Makes the table, moves it, adds up both sides, and removes everything it made, also when it fails. */
export async function soak(settings: SoakSettings): Promise<Soak> {
  const { rows, engine = 'InnoDB', splitSize = '64MiB', say, signal } = settings;
  const id = `soak_${randomBytes(4).toString('hex')}`;
  const { mysqlUrl, warehouseUrl, bucket, aws } = servers();
  const [mysql, pg] = [await connectSource(''), await connectTarget()];
  // A connection that is lost fails the next statement; that is enough.
  mysql.on('error', () => {});
  pg.on('error', () => {});
  const stop = (): void => void killed(mysql.threadId);
  signal?.addEventListener('abort', stop);
  try {
    await mysql.query(`CREATE DATABASE ${id}`);
    await mysql.query(`USE ${id}`);
    await inTime(say, `making ${count(rows)} rows`, () => createEvents(mysql, rows, engine));
    signal?.removeEventListener('abort', stop);
    signal?.throwIfAborted();
    const env = {
      ...aws,
      TABLEPIPE_MYSQL_URL: mysqlUrl,
      TABLEPIPE_WAREHOUSE_URL: warehouseUrl,
      TABLEPIPE_WM_STORE: `s3://${bucket}/${id}/watermarks/`,
    };
    const line = lineOf(id, `s3://${bucket}/${id}/incremental/`, splitSize);
    const { end, stages, seconds } = await inTime(say, 'moving them', () => watched(line, env, settings));
    const source = await inTime(say, 'adding up the source', () => sourceSum(mysql));
    const target = await inTime(say, 'adding up the target', () => targetSum(pg, id));
    const stored = await storedBytes(`s3://${bucket}/${id}/incremental/`);
    return {
      id,
      end,
      stages,
      seconds,
      source,
      target,
      objects: stored.objects,
      bytes: { ...(await bytesOf(mysql, pg, id)), s3: stored.bytes },
    };
  } finally {
    mysql.destroy();
    await pg.end();
    await cleanUp(id);
  }
}

/** Ends a session of MySQL and what it is doing. */
async function killed(session: number): Promise<void> {
  const mysql = await connectSource('');
  await mysql.query(`KILL ${session}`).catch(() => {});
  await mysql.end();
}

/** The events never change. An upsert would take the same memory in rs-copy, and much more work in the server. */
function lineOf(id: string, folder: string, splitSize: string): string {
  return `mysql-extract ${id}.events --cursor id --since "$(wm get ${id}.events --format cursor)" \\
  | to-parquet --split-size ${splitSize} \\
  | s3-put ${folder} \\
  | wm advance ${id}.events \\
  | rs-copy ${id}.events --from-store ${id}.events --create --mode append`;
}

async function watched(
  line: string,
  env: Record<string, string>,
  { sampleMs, signal }: SoakSettings,
): Promise<{ end: PipelineEnd; stages: StageSamples[]; seconds: number }> {
  const started = performance.now();
  let sampler: Sampler | undefined;
  const day = 86_400_000;
  let stop = (): void => {};
  const onStarted = (pid: number): void => {
    sampler = sampleStages(pid, STAGES, sampleMs);
    stop = () => process.kill(-pid, 'SIGTERM');
    signal?.addEventListener('abort', stop);
  };
  const end = await pipeline(line, { env, limitMs: day, onStarted }).finally(() => sampler?.stop());
  signal?.removeEventListener('abort', stop);
  const seconds = (performance.now() - started) / 1000;
  return { end, stages: sampler?.stop() ?? [], seconds };
}

const access = async (): Promise<Parameters<typeof listObjects>[1]> => {
  const client = await connectS3(servers().aws);
  return { s3: async () => client, signal: new AbortController().signal };
};

async function storedBytes(folder: string): Promise<{ objects: number; bytes: number }> {
  let [objects, bytes] = [0, 0];
  for await (const one of listObjects(folder, await access())) {
    objects += 1;
    bytes += one.bytes;
  }
  return { objects, bytes };
}

async function cleanUp(id: string): Promise<void> {
  const [mysql, pg] = [await connectSource(''), await connectTarget()];
  const { bucket } = servers();
  const root = `s3://${bucket}/`;
  const found = await access();
  const keys: string[] = [];
  for await (const { url } of listObjects(`${root}${id}/`, found)) keys.push(url.slice(root.length));
  const client = await found.s3();
  for (let at = 0; at < keys.length; at += 1_000) {
    const Objects = keys.slice(at, at + 1_000).map((Key) => ({ Key }));
    await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
  }
  client.destroy();
  await pg.query(`DROP SCHEMA IF EXISTS ${id} CASCADE`);
  await pg.end();
  await mysql.query(`DROP DATABASE IF EXISTS ${id}`);
  await mysql.end();
}

async function inTime<T>(say: (line: string) => void, what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const done = await work();
  say(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return done;
}

export const count = (number: number): string => Math.round(number).toLocaleString('en-US');
