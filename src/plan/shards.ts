/**
 * A table cut into ranges of its primary key, for several readers. The plan is made once and kept: every reader works
 * from the same boundaries. Ranges are half-open and the outer two have no end, so a row inserted at any time, also
 * beyond the smallest and largest key, belongs to exactly one of them.
 */
import { isPosition, type Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { MysqlSession } from '../mysql-session.js';
import { ALWAYS, type Condition, type KeyColumn, beside, every } from './keyset.js';
import { type ReadPlan, boundaryStatement, positionOf } from './read-plan.js';

export interface Shard {
  type: 'shard';
  v: 1;
  table: string;
  /** 0 to `of` - 1. */
  shard: number;
  of: number;
  key: readonly KeyColumn[];
  /** Inclusive; null = everything below `to`. */
  from: Position | null;
  /** Exclusive; null = everything from `from` on. */
  to: Position | null;
  /** Rows when the plan was made. */
  rows: number;
  /** The settled bound all shards are read up to: where incremental reading begins once all are loaded. */
  until: string | null;
  /** The column it bounds. */
  until_column: KeyColumn | null;
  /** There were fewer rows than shards. */
  empty?: true;
}

/**
 * Makes a plan of `of` shards with the same number of rows each. Walks the key's index twice, the rows never.
 * @param plan the whole read that is to be cut
 */
export async function planShards(session: MysqlSession, plan: ReadPlan, of: number): Promise<Shard[]> {
  const where = every(plan.conditions);
  const [counted] = await session.askPatiently(
    `SELECT COUNT(*) AS n FROM ${plan.from.sql} WHERE ${where.sql}`,
    where.values,
  );
  const total = Number(counted?.n ?? 0);
  const shards: Shard[] = [];
  let from: Position | null = null;
  for (let shard = 0; shard < of; shard += 1) {
    const rows = share(total, of, shard);
    const last = shard === of - 1;
    const to: Position | null = last ? null : await boundaryAfter(session, plan, from, rows);
    const base = { type: 'shard', v: 1, table: plan.table, shard, of, key: plan.key } as const;
    const until = plan.until?.value ?? null;
    const until_column = plan.until === null ? null : plan.bounded;
    // The shards beyond the last row are empty; the one that holds it stays open above.
    if (!last && to === null)
      return [...shards, ...withoutRows({ ...base, from, to: null, rows, until, until_column })];
    shards.push({ ...base, from, to, rows, until, until_column });
    from = to;
  }
  return shards;
}

/** Rows of one shard when `total` are shared out evenly. */
function share(total: number, of: number, shard: number): number {
  return Math.floor((total * (shard + 1)) / of) - Math.floor((total * shard) / of);
}

/** The key of the row that begins the next shard; null when no row is left. */
async function boundaryAfter(
  session: MysqlSession,
  plan: ReadPlan,
  from: Position | null,
  rows: number,
): Promise<Position | null> {
  const conditions = from === null ? plan.conditions : [...plan.conditions, beside(plan.key, '>=', from)];
  const { sql, values } = boundaryStatement({ ...plan, conditions }, null, rows + 1);
  const [row] = await session.askPatiently(sql, values);
  return positionOf(plan.key, row);
}

function withoutRows(open: Shard): Shard[] {
  const rest: Shard[] = [open];
  for (let shard = open.shard + 1; shard < open.of; shard += 1) {
    rest.push({ ...open, shard, from: null, to: null, rows: 0, empty: true });
  }
  return rest;
}

/** The condition a row of the shard fulfils. */
export function shardCondition({ key, from, to, until, until_column, empty }: Shard): Condition {
  if (empty) return { sql: 'FALSE', values: [] };
  return every([
    from === null ? ALWAYS : beside(key, '>=', from),
    to === null ? ALWAYS : beside(key, '<', to),
    until === null || until_column === null ? ALWAYS : beside([until_column], '<', [until]),
  ]);
}

/** Reads a plan: one shard a line. 65 unless its shards cover everything once. */
export function parseShards(text: string): Shard[] {
  const shards = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => parseShard(line, index));
  const [first] = shards;
  if (!first) throw new Failure('data', 'the plan has no shards');
  const broken = shards.findIndex((shard, index) => !follows(shards[index - 1], shard, first));
  const open = shards.findLast((shard) => !shard.empty)?.to === null;
  if (broken >= 0 || shards.length !== first.of || !open) {
    throw new Failure(
      'data',
      `the plan does not cover ${first.table} once, from line ${broken < 0 ? shards.length : broken + 1} on`,
      {
        hint: 'Use the file as mysql-shards wrote it.',
      },
    );
  }
  return shards;
}

function parseShard(line: string, index: number): Shard {
  let value: Partial<Shard>;
  try {
    value = JSON.parse(line) as Partial<Shard>;
  } catch (cause) {
    throw new Failure('data', `line ${index + 1} of the plan is not JSON`, { cause });
  }
  const { from = null, to = null, key } = value;
  if (value.type !== 'shard' || value.v !== 1 || !Array.isArray(key) || !isPosition(from) || !isPosition(to)) {
    throw new Failure('data', `line ${index + 1} of the plan is not a shard`);
  }
  return value as Shard;
}

function follows(before: Shard | undefined, shard: Shard, first: Shard): boolean {
  const same = shard.table === first.table && shard.of === first.of && shard.until === first.until;
  const keys = JSON.stringify(shard.key) === JSON.stringify(first.key);
  const index = before === undefined ? 0 : before.shard + 1;
  if (!same || !keys || shard.shard !== index) return false;
  if (before === undefined) return shard.from === null && !shard.empty;
  if (shard.empty) return before.empty === true || before.to === null;
  return before.to !== null && JSON.stringify(before.to) === JSON.stringify(shard.from);
}
