/** Draws the faults of one run of the line. */
import { FAULTS } from '../support/s3-proxy.js';
import { OPERATIONS } from '../support/s3-operation.js';
import { type Cut, type Fault, SIGNALS, STAGES, type ServerName, type Target } from './fault.js';
import type { Random } from './random.js';

export type Kind = Fault['kind'];

/** What faults a run can meet depends on the round. */
export interface Surroundings {
  kinds: readonly Kind[];
  warehouse: 'postgres' | 'redshift';
  store: 's3' | 'file';
  /** What there is most of in this round: a line that is killed early lives to see few cuts. */
  mostly: 'deaths' | 'cuts';
}

const WEIGHTS: Readonly<Record<Kind, number>> = {
  signal: 6,
  pause: 2,
  failpoint: 8,
  cut: 6,
  'cut all': 3,
  away: 1,
  's3 answer': 6,
  'sessions ended': 2,
  double: 2,
  restart: 1.5,
  'column added': 1,
  disk: 2,
  'second line': 5,
};

export function faultsOfRun(random: Random, around: Surroundings): Fault[] {
  const drawable = around.kinds
    .filter((kind) => kind !== 'double' || around.warehouse === 'redshift')
    // Only a chain in files writes to the disk: the files of these rows fit into memory.
    .filter((kind) => kind !== 'disk' || around.store === 'file')
    .map((kind) => [WEIGHTS[kind], kind] as const);
  const count = random.weighted([
    [3, 0],
    [5, 1],
    [2, 2],
  ] as const);
  const drawn = Array.from({ length: count }, () => draw(random, random.weighted(drawable), around));
  const add = (share: number, kind: Kind): void => {
    if (around.kinds.includes(kind) && random.chance(share)) drawn.push(draw(random, kind, around));
  };
  const deaths = around.mostly === 'deaths';
  for (let times = deaths ? 1 : 4; times > 0; times -= 1) add(deaths ? 0.4 : 0.7, 'cut');
  add(deaths ? 0.2 : 0.6, 'cut all');
  add(deaths ? 0.85 : 0.1, 'signal');
  return drawn;
}

/** Late rather than early: a run spends its first third starting. */
const moment = (random: Random): number => random.fraction() ** 0.7;
const anyServer = (random: Random): ServerName => random.pick(['mysql', 'warehouse', 's3'] as const);

function draw(random: Random, kind: Kind, around: Surroundings): Fault {
  switch (kind) {
    case 'signal': {
      const signal = random.weighted(SIGNALS.map((each) => [each === 'SIGKILL' ? 6 : 1, each] as const));
      return { kind, signal, targets: targets(random), at: moment(random), twice: random.chance(0.15) };
    }
    case 'pause':
      return { kind, targets: targets(random), at: moment(random), ms: random.whole(100, 2_500) };
    case 'failpoint':
      return failpoint(random, around.store);
    case 'cut': {
      const server = anyServer(random);
      const cuts = Array.from({ length: random.whole(1, 8) }, () => cut(random, server));
      return { kind, server, cuts, stallMs: random.whole(100, 7_000) };
    }
    case 'cut all':
      return {
        kind,
        server: anyServer(random),
        at: moment(random),
        times: random.whole(1, 5),
        everyMs: random.whole(50, 400),
      };
    case 'away':
      return { kind, server: anyServer(random), at: moment(random), ms: random.whole(200, 8_000) };
    case 's3 answer': {
      // What hangs is told apart from what is slow only by the 60 s that the programs wait: `s3-object.test.ts` has it.
      const fault = random.pick([...FAULTS.filter((each) => each !== 'hang'), 'slow'] as const);
      const operation = random.pick([...OPERATIONS, 'any', 'put', 'get'] as const);
      // Bytes that arrive as others are sent once more; a wire that does it again is the store's fault (76).
      return { kind, operation, fault, times: fault === 'flip-bit' ? 1 : random.whole(1, 3) };
    }
    case 'sessions ended':
      return { kind, server: random.pick(['mysql', 'warehouse'] as const), at: moment(random) };
    case 'double': {
      const faults = [
        'inject1023',
        'inject1023AtCommit',
        'injectDeadlock',
        'dropAnswerOfCommit',
        'dropBeforeCommit',
      ] as const;
      const fault = random.pick([...faults, 'dropDuringCopy', 'dropAnswerOfCopy'] as const);
      return { kind, fault, times: random.whole(1, 2) };
    }
    case 'restart':
      return { kind, server: anyServer(random), at: moment(random) };
    case 'column added':
      return { kind, at: moment(random) };
    case 'disk':
      return { kind, stage: random.pick([3, 3, 4]), bytes: random.pick([0, 100, 1_000, 4_000]) };
    case 'second line':
      return { kind, at: moment(random) * 0.8 };
  }
}

function cut(random: Random, server: ServerName): Cut {
  const action = random.weighted([
    [4, 'cut'],
    [3, 'reset'],
    [2, 'lose-answer'],
    [1, 'stall'],
  ] as const);
  if (server === 'warehouse' && random.chance(0.5)) {
    return { action, sees: 'COMMIT', when: random.pick(['before', 'after'] as const), nth: random.whole(1, 2) };
  }
  const direction = random.chance(server === 'mysql' ? 0.75 : 0.5) ? 'down' : 'up';
  // Small numbers as often as large ones: the greeting matters as much as the rows.
  const afterBytes = Math.ceil(10 ** (random.fraction() * (direction === 'up' ? 3.7 : 4.4)));
  return { action, direction, afterBytes };
}

function failpoint(random: Random, store: Surroundings['store']): Fault {
  const stage = random.whole(0, STAGES.length - 1);
  const place = random.pick(placesOf(STAGES[stage] as (typeof STAGES)[number], store));
  const action = random.weighted([
    [6, 'kill'],
    [1, 'term'],
    [1, 'throw'],
  ] as const);
  const nth = random.weighted([
    [5, 1],
    [2, 2],
    [1, 3],
  ] as const);
  return { kind: 'failpoint', stage, place, action, nth };
}

function targets(random: Random): readonly Target[] {
  const how = random.weighted([
    [2, 'one'],
    [8, 'all'],
    [1, 'some'],
  ] as const);
  if (how === 'all') return STAGES;
  if (how === 'some') return STAGES.filter(() => random.chance(0.5));
  return [random.pick<Target>([...STAGES, ...STAGES, 'wm get'])];
}

/** The failpoints a stage of the line can come to. rs-copy writes into the chain too. */
function placesOf(stage: (typeof STAGES)[number], store: Surroundings['store']): readonly string[] {
  const files = store === 'file' ? ['file.written', 'file.linked'] : [];
  const chain = ['before-create', 'after-create', 'after-hint', ...files].map((name) => `wm.${name}`);
  const own = (...names: string[]): string[] => names.map((name) => `${stage}.${name}`);
  switch (stage) {
    case 'mysql-extract':
      return own('connected', 'after-page', 'before-end');
    case 'to-parquet':
      return own('after-batch', 'before-footer', 'before-end');
    case 's3-put':
      return own('before-create', 'after-part', 'before-complete', 'after-complete', 'before-receipt');
    case 'wm':
      return [...chain, ...own('before-print')];
    case 'rs-copy':
      return [...own('after-lock', 'after-copy', 'before-commit', 'after-commit', 'after-loaded'), ...chain];
  }
}
