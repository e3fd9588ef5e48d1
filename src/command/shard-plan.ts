/** `--shard i/n --plan FILE`: one range of a frozen plan. */
import { readFileSync } from 'node:fs';
import type { Env, Flags } from '../cli/flags.js';
import { Failure, fileFailure } from '../errors.js';
import { type Shard, parseShards } from '../plan/shards.js';

/** Where array jobs keep their index: Kubernetes, AWS Batch, Slurm. */
const INDEX_VARIABLES = ['JOB_COMPLETION_INDEX', 'AWS_BATCH_JOB_ARRAY_INDEX', 'SLURM_ARRAY_TASK_ID'];

/** The shard the flags name, or null without them. 64 for half of them or an index outside the plan. */
export function shardOf(flags: Flags, env: Env): Shard | null {
  const [shard, path] = [flags.text('shard'), flags.text('plan')];
  if (shard === undefined && path === undefined) return null;
  if (shard === undefined || path === undefined) {
    throw new Failure('usage', '--shard and --plan go together', {
      hint: 'mysql-shards TABLE -n 8 > plan.ndjson; mysql-extract TABLE --shard 0/8 --plan plan.ndjson',
    });
  }
  const shards = readPlan(path);
  const [index, of] = indexOf(shard, env, shards.length);
  if (of !== shards.length || index >= of) {
    throw new Failure(
      'usage',
      `--shard ${shard}: the plan has the shards 0/${shards.length} to ${shards.length - 1}/${shards.length}`,
    );
  }
  return shards[index] ?? null;
}

function readPlan(path: string): Shard[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw fileFailure(error, 'reading the plan', path);
  }
  return parseShards(text);
}

function indexOf(shard: string, env: Env, of: number): [number, number] {
  const variable = INDEX_VARIABLES.find((name) => /^[0-9]+$/.test(env[name] ?? ''));
  if (shard === 'auto' && variable !== undefined) return [Number(env[variable]), of];
  const [, index, count] = /^([0-9]+)\/([0-9]+)$/.exec(shard) ?? [];
  if (index !== undefined && count !== undefined) return [Number(index), Number(count)];
  throw new Failure('usage', `--shard ${shard}: expected i/n, counted from 0`, {
    hint: `auto reads ${INDEX_VARIABLES.join(', ')}.`,
  });
}
