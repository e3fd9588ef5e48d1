/** What one round is: a table, a line, and what happens to each run of the line. The seed and the number of the round say it all. */
import { type Fault, SIGNALS, STAGES, type Target } from './fault.js';
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
  /** Whether the receipts are written down between s3-put and wm. */
  tee: boolean;
  runs: readonly (readonly Fault[])[];
}

export interface PlanLimits {
  /** Runs with faults in a round. */
  runs: number;
  kinds: readonly Fault['kind'][];
}

export const EVERYTHING: PlanLimits = { runs: 12, kinds: ['signal', 'pause', 'failpoint'] };

export function roundPlan(seed: string, round: number, limits: PlanLimits): RoundPlan {
  const random = new Random(`${seed} round ${round}`);
  const store = random.weighted([
    [3, 's3'],
    [1, 'file'],
  ] as const);
  const wide = random.chance(0.08);
  const rows = wide ? random.whole(1_200, 1_500) : random.whole(100, 1_500);
  return {
    seed,
    round,
    warehouse: random.chance(0.35) ? 'redshift' : 'postgres',
    mode: random.chance(0.4) ? 'append' : 'upsert',
    store,
    rows,
    batchRows: random.pick([37, 100, 400, 5_000]),
    splitRows: wide ? 5_000 : random.pick([50, 150, 600]),
    flushFiles: random.pick([1, 2, 1_000]),
    letters: wide ? 5_000 : random.pick([10, 100, 400]),
    tee: random.chance(0.5),
    runs: Array.from({ length: limits.runs }, () => faultsOfRun(random, limits, store)),
  };
}

function faultsOfRun(random: Random, { kinds }: PlanLimits, store: RoundPlan['store']): Fault[] {
  const count = random.weighted([
    [6, 1],
    [3, 2],
    [1, 3],
  ] as const);
  const drawable = DRAWS.filter(([, kind]) => kinds.includes(kind));
  const drawn = Array.from({ length: count }, () => draw(random, random.weighted(drawable), store));
  // Most runs end in a death, whatever else happened to them.
  if (random.chance(0.8)) drawn.push(draw(random, 'signal', store));
  return drawn;
}

const DRAWS: readonly (readonly [number, Fault['kind']])[] = [
  [10, 'signal'],
  [2, 'pause'],
  [6, 'failpoint'],
];

/** Late rather than early: a run spends its first third starting. */
const moment = (random: Random): number => random.fraction() ** 0.7;

function draw(random: Random, kind: Fault['kind'], store: RoundPlan['store']): Fault {
  switch (kind) {
    case 'signal':
      return {
        kind,
        signal: random.weighted(SIGNALS.map((signal) => [signal === 'SIGKILL' ? 6 : 1, signal] as const)),
        targets: targets(random),
        at: moment(random),
        twice: random.chance(0.15),
      };
    case 'pause':
      return { kind, targets: targets(random), at: moment(random), ms: random.whole(100, 2_500) };
    case 'failpoint': {
      const stage = random.whole(0, STAGES.length - 1);
      return {
        kind,
        stage,
        place: random.pick(placesOf(STAGES[stage] as (typeof STAGES)[number], store)),
        action: random.weighted([
          [6, 'kill'],
          [1, 'term'],
          [1, 'throw'],
        ] as const),
        nth: random.weighted([
          [5, 1],
          [2, 2],
          [1, 3],
        ] as const),
      };
    }
  }
}

function targets(random: Random): readonly Target[] {
  const how = random.weighted([
    [3, 'one'],
    [6, 'all'],
    [1, 'some'],
  ] as const);
  if (how === 'all') return STAGES;
  if (how === 'some') return STAGES.filter(() => random.chance(0.5));
  return [random.pick<Target>([...STAGES, ...STAGES, 'wm get'])];
}

/** The failpoints a stage of the line can come to. rs-copy writes into the chain too. */
function placesOf(stage: (typeof STAGES)[number], store: RoundPlan['store']): readonly string[] {
  const chain = ['wm.before-create', 'wm.after-create', 'wm.after-hint'];
  const files = store === 'file' ? ['wm.file.written', 'wm.file.linked'] : [];
  switch (stage) {
    case 'mysql-extract':
      return ['mysql-extract.connected', 'mysql-extract.after-page', 'mysql-extract.before-end'];
    case 'to-parquet':
      return ['to-parquet.after-batch', 'to-parquet.before-footer', 'to-parquet.before-end'];
    case 's3-put':
      return [
        's3-put.before-create',
        's3-put.after-part',
        's3-put.before-complete',
        's3-put.after-complete',
        's3-put.before-receipt',
      ];
    case 'wm':
      return [...chain, 'wm.before-print', ...files];
    case 'rs-copy':
      return [
        'rs-copy.after-lock',
        'rs-copy.after-copy',
        'rs-copy.before-commit',
        'rs-copy.after-commit',
        'rs-copy.after-loaded',
        ...chain,
      ];
  }
}
