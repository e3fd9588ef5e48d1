/** What was done and what came of it, in numbers that can be added up over runs. */
import type { LineEnd } from './line-run.js';

export interface Counts {
  rounds: number;
  /** Runs of the line with faults, and without. */
  runs: number;
  cleanRuns: number;
  /** `stage signal` → processes that died by it. */
  kills: Record<string, number>;
  /** `server` → connections cut or reset by a proxy or ended by the server itself. */
  cuts: Record<string, number>;
  /** `what` → everything else: pauses, stalls, answers of S3, restarts, full disks, columns, second runs. */
  others: Record<string, number>;
  /** Exit status → how often a line ended with it. */
  statuses: Record<string, number>;
  lost: number;
  twice: number;
  stuck: number;
  /** Everything else that an invariant forbids. */
  broken: number;
}

export function noCounts(): Counts {
  return {
    rounds: 0,
    runs: 0,
    cleanRuns: 0,
    kills: {},
    cuts: {},
    others: {},
    statuses: {},
    lost: 0,
    twice: 0,
    stuck: 0,
    broken: 0,
  };
}

export function count(list: Record<string, number>, name: string, times = 1): void {
  if (times > 0) list[name] = (list[name] ?? 0) + times;
}

/** Adds the second to the first. */
export function addCounts(to: Counts, more: Counts): Counts {
  for (const name of ['rounds', 'runs', 'cleanRuns', 'lost', 'twice', 'stuck', 'broken'] as const)
    to[name] += more[name];
  for (const name of ['kills', 'cuts', 'others', 'statuses'] as const)
    for (const [key, times] of Object.entries(more[name])) count(to[name], key, times);
  return to;
}

export const total = (list: Readonly<Record<string, number>>): number =>
  Object.values(list).reduce((sum, one) => sum + one, 0);

export function countStatus(counts: Counts, { code }: LineEnd): void {
  count(counts.statuses, String(code));
}

/** The counts as a table of Markdown. */
export function tableOf(counts: Counts): string {
  const rows: [string, number | string][] = [
    ['rounds: a table filled, moved under faults, compared', counts.rounds],
    ['runs of the line with faults', counts.runs],
    ['runs without, to finish a round', counts.cleanRuns],
    ['**processes killed**', total(counts.kills)],
    ...grouped(counts.kills),
    ['**connections cut**', total(counts.cuts)],
    ...grouped(counts.cuts),
    ...grouped(counts.others),
    ['statuses of the line', spelled(counts.statuses)],
    ['**lost**', counts.lost],
    ['**twice**', counts.twice],
    ['**stuck**', counts.stuck],
    ['other invariants broken', counts.broken],
  ];
  return [
    '| What | Times |',
    '|---|---|',
    ...rows.map(([what, times]) => `| ${what} | ${times.toLocaleString('en-US')} |`),
  ].join('\n');
}

function grouped(list: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(list).sort(([a], [b]) => (a < b ? -1 : 1));
}

function spelled(list: Readonly<Record<string, number>>): string {
  return Object.entries(list)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([status, times]) => `${status}: ${times}`)
    .join(', ');
}
