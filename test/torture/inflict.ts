/** Does to one run of the line what its plan says, and counts what really happened. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fault, STAGES, type Signal, type Target } from './fault.js';
import { type LineEnd, type LineRun, statusOf } from './line-run.js';
import { type Counts, count } from './tally.js';

export interface Stage {
  run: LineRun;
  /** How long a run usually takes. */
  usualMs: number;
  partOf: (target: Target) => number;
}

/** A process that was sent a signal, to be counted when its status proves that it died of it. */
interface Sent {
  target: Target;
  signal: Signal;
}

/** Starts every fault of the run; call the result when the run has ended. */
export function inflict(stage: Stage, faults: readonly Fault[], counts: Counts): (end: LineEnd) => Promise<void> {
  const sent: Sent[] = [];
  const working = faults.map((fault) => one(stage, fault, sent, counts));
  return async (end) => {
    await Promise.all(working);
    countKills(stage, faults, sent, end, counts);
  };
}

async function one({ run, usualMs }: Stage, fault: Fault, sent: Sent[], counts: Counts): Promise<void> {
  switch (fault.kind) {
    case 'failpoint':
      return;
    case 'signal': {
      await moment(run, fault.at * usualMs);
      for (const target of await run.signal(fault.signal, fault.targets)) sent.push({ target, signal: fault.signal });
      if (!fault.twice) return;
      await sleep(10);
      await run.signal(fault.signal, fault.targets);
      return;
    }
    case 'pause': {
      await moment(run, fault.at * usualMs);
      const stopped = await run.signal('SIGSTOP', fault.targets);
      await sleep(fault.ms);
      await run.signal('SIGCONT', fault.targets);
      count(counts.others, 'processes stopped and continued', stopped.length);
    }
  }
}

/** Waits, but not beyond the end of the run. */
export async function moment(run: LineRun, ms: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([sleep(ms, undefined, { signal: over.signal }).catch(() => {}), run.ended]);
  over.abort();
}

function countKills(
  { partOf }: Stage,
  faults: readonly Fault[],
  sent: readonly Sent[],
  end: LineEnd,
  counts: Counts,
): void {
  const counted = new Set<string>();
  const died = (target: Target, signal: Signal): void => {
    // Nobody prints the status of `wm get`; it was alive when the signal was sent.
    const proven = target === 'wm get' || end.parts[partOf(target)] === statusOf(signal);
    if (!proven || counted.has(target)) return;
    counted.add(target);
    count(counts.kills, `${target} ${signal}`);
  };
  for (const { target, signal } of sent) died(target, signal);
  for (const fault of faults) {
    if (fault.kind !== 'failpoint' || fault.action === 'throw') continue;
    died(STAGES[fault.stage] as Target, fault.action === 'kill' ? 'SIGKILL' : 'SIGTERM');
  }
}
