/** What is looked at when a round is done and quiet: both tables, the chain, the objects, the servers. */
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import type { Receipt } from '../../src/receipt.js';
import { collected, run, start } from '../support/program.js';
import type { Place } from './line.js';
import { differences } from './oracle.js';
import type { RoundPlan } from './round-plan.js';
import { type Counts, count } from './tally.js';
import type { Finding } from './verdict.js';
import type { World } from './world.js';

/** How long a query may stay on a server whose client is gone. */
const QUERY_GONE_MS = 15_000;

export interface Closed {
  world: World;
  plan: RoundPlan;
  place: Place;
  env: Readonly<Record<string, string>>;
  counts: Counts;
}

export async function closing({ world, plan, place, env, counts }: Closed): Promise<Finding[]> {
  const broken: string[] = [];
  const { name } = place;
  const table = `${name.schema}.${name.table}`;
  const findings = [...(await compared(world, plan, place))];
  broken.push(...(await ledgerFindings(world, plan, place)));
  broken.push(...(await queriesLeft(world, plan, place)));
  broken.push(...(await receiptsWithoutObject(world, place)));
  broken.push(...(await secretsInObjects(world, place)));
  const program = async (words: readonly string[], command = 'wm'): Promise<string> => {
    const end = await run(command, words, { env });
    if (end.code !== 0)
      broken.push(
        `${command} ${words.join(' ')} ended with ${end.code ?? end.signal}: ${end.stderr.trim()} ${end.stdout.toString().trim()}`,
      );
    return end.stdout.toString();
  };
  await program(['verify', table, '--read', '--json']);
  const pending = await program(['pending', table, '--json']);
  if (!pending.includes('"objects":0'))
    broken.push(`the chain has objects that are not loaded: ${pending.slice(0, 300)}`);
  // What the killed have left is removed, and nothing else: the chain is whole after it too.
  count(counts.others, 'unfinished uploads left by the killed, then cleaned', await uploads(world, place));
  const prefix = `s3://${place.bucket}/${name.schema}/incremental/`;
  const sweep = ['--orphans', '--uploads', '--older-than', '0s', '--force', '--delete', '--yes'];
  if (plan.sweepKilledMs !== undefined) await killedSweep(['clean', prefix, ...sweep], env, plan.sweepKilledMs, counts);
  await program(['clean', prefix, ...sweep], 's3-clean');
  await program(['verify', table, '--json']);
  const left = await uploads(world, place);
  if (left > 0) broken.push(`${left} unfinished uploads after s3-clean`);
  return [...findings, ...broken.map((what) => ({ kind: 'broken', what }) as const)];
}

async function killedSweep(words: readonly string[], env: Closed['env'], ms: number, counts: Counts): Promise<void> {
  const child = start('s3-clean', words, { env });
  child.stdin?.end();
  const ended = collected(child, 's3-clean');
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  if ((await ended).signal === 'SIGKILL') count(counts.kills, 's3-clean SIGKILL');
  clearTimeout(timer);
}

async function compared(world: World, plan: RoundPlan, { name }: Place): Promise<Finding[]> {
  const source = await world.source();
  const target = await world.target(plan.warehouse);
  try {
    const wrong = await differences(source, target, name, plan.mode);
    return wrong.map((what) => ({ kind: /^[0-9]+ (lost|twice)/.exec(what)?.[1] ?? 'broken', what }) as Finding);
  } finally {
    await source.end();
    await target.end();
  }
}

/** Each object once. */
async function ledgerFindings(world: World, plan: RoundPlan, { name }: Place): Promise<string[]> {
  const target = await world.target(plan.warehouse);
  try {
    const { rows } = await target.query<{ url: string; times: string }>(
      `SELECT url, count(*) AS times FROM ${name.schema}._tablepipe_ledger_${name.table} GROUP BY url HAVING count(*) > 1`,
    );
    return rows.map(({ url, times }) => `${url} is in the ledger ${times} times`);
  } finally {
    await target.end();
  }
}

/** Statements on the source, and sessions in the warehouse, that nobody waits for any more. */
async function queriesLeft(world: World, plan: RoundPlan, { name }: Place): Promise<string[]> {
  const source = await world.source();
  const target = await world.target(plan.warehouse);
  try {
    for (const deadline = Date.now() + QUERY_GONE_MS; ; await sleep(200)) {
      const [queries] = await source.query(
        'SELECT COALESCE(info, command) AS info FROM information_schema.processlist WHERE user = ?',
        [name.schema],
      );
      const { rows: locks } = await target.query<{ query: string }>(
        'SELECT a.query FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND a.pid <> pg_backend_pid()',
        [name.schema],
      );
      const left = [...(queries as { info: string }[]).map(({ info }) => info), ...locks.map(({ query }) => query)];
      if (left.length === 0) return [];
      if (Date.now() > deadline) return left.map((text) => `a query was left behind: ${text}`);
    }
  } finally {
    await source.end();
    await target.end();
  }
}

/** Every receipt that s3-put printed, also those that nobody committed, names an object that is there, of its size. */
async function receiptsWithoutObject({ s3 }: World, { receipts, bucket }: Place): Promise<string[]> {
  if (!existsSync(receipts)) return [];
  const found: string[] = [];
  const lines = readFileSync(receipts, 'utf8').split('\n');
  // A killed writer leaves half a line, and the next one appends to it.
  for (const text of lines.flatMap((line) => /\{"type":"object".*\}$/.exec(line)?.[0] ?? [])) {
    const { url, bytes } = JSON.parse(text) as Receipt;
    const key = url.slice(`s3://${bucket}/`.length);
    const size = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key })).then(
      ({ ContentLength }) => ContentLength,
      () => undefined,
    );
    if (size !== bytes)
      found.push(`a receipt without its object: ${url} has ${size ?? 'no'} bytes, the receipt says ${bytes}`);
  }
  return found;
}

async function secretsInObjects({ s3, secrets }: World, { bucket, name }: Place): Promise<string[]> {
  const found: string[] = [];
  let after: string | undefined;
  do {
    const page = await s3.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: `${name.schema}/`, ContinuationToken: after }),
    );
    for (const { Key = '' } of page.Contents ?? []) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
      const text = Buffer.from((await Body?.transformToByteArray()) ?? []).toString('latin1');
      if (secrets.some((secret) => text.includes(secret))) found.push(`a secret in s3://${bucket}/${Key}`);
    }
    after = page.NextContinuationToken;
  } while (after !== undefined);
  return found;
}

async function uploads({ s3 }: World, { bucket, name }: Place): Promise<number> {
  const { Uploads = [] } = await s3.send(
    new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${name.schema}/` }),
  );
  return Uploads.length;
}
