/** What one round is: a table, a line, and what happens to each run of the line. The seed and the number of the round say it all. */
import { type Kind, faultsOfRun } from './draw.js';
import type { Fault } from './fault.js';
import { Random } from './random.js';

export interface RoundPlan {
  seed: string;
  round: number;
  warehouse: 'postgres' | 'redshift';
  /** `append` shows a version that is delivered twice, which an upsert would hide. */
  mode: 'upsert' | 'append';
  /** Where the watermark chain is. */
  store: 's3' | 'file';
  /** Rows before the first run; rows of one query, of one file; files of one generation. */
  rows: number;
  batchRows: number;
  splitRows: number;
  flushFiles: number;
  /** Letters of a row: wide rows make objects of several parts. */
  letters: number;
  /** How far a read stays behind the clock: the shorter, the more depends on the transactions that are seen. */
  lag: string;
  /** How long the programs try again, as they read it; undefined leaves them their own patience. */
  patience: string | undefined;
  /** Whether the receipts are written down between s3-put and wm. */
  tee: boolean;
  runs: readonly (readonly Fault[])[];
  /** When the cleaning after the round is killed, in milliseconds; it is run again then. */
  sweepKilledMs: number | undefined;
}

export interface PlanLimits {
  /** Runs with faults in a round. */
  runs: number;
  kinds: readonly Kind[];
  /** What most of the faults are; drawn for each round unless given. */
  mostly?: 'deaths' | 'cuts';
}

const ANYWHERE = ['signal', 'pause', 'failpoint', 'cut', 'cut all', 'away', 's3 answer', 'sessions ended'] as const;

/** On servers of others: what meets nobody but the line. */
export const SHARED: readonly Kind[] = [...ANYWHERE, 'double', 'column added', 'disk', 'second line'];
export const EVERYTHING: readonly Kind[] = [...SHARED, 'restart'];

export function roundPlan(seed: string, round: number, limits: PlanLimits): RoundPlan {
  const { runs, kinds } = limits;
  const random = new Random(`${seed} round ${round}`);
  const warehouse = random.chance(0.35) ? 'redshift' : 'postgres';
  const store = random.chance(0.25) ? 'file' : 's3';
  const wide = random.chance(0.08);
  const drawn = random.pick(['deaths', 'cuts'] as const);
  const mostly = limits.mostly ?? drawn;
  return {
    seed,
    round,
    warehouse,
    mode: random.chance(0.4) ? 'append' : 'upsert',
    store,
    rows: wide ? random.whole(1_200, 1_500) : random.whole(100, 1_500),
    batchRows: random.pick([37, 100, 400, 5_000]),
    splitRows: wide ? 5_000 : random.pick([50, 150, 600]),
    flushFiles: random.pick([1, 2, 1_000]),
    letters: wide ? 5_000 : random.pick([10, 100, 400]),
    lag: random.pick(['2s', '300ms']),
    patience: random.pick([undefined, '4s']),
    tee: random.chance(0.5),
    runs: Array.from({ length: runs }, () => faultsOfRun(random, { kinds, warehouse, store, mostly })),
    sweepKilledMs: random.chance(0.3) ? random.whole(200, 1_500) : undefined,
  };
}
