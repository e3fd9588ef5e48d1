/** Does to one run of the line what its plan says, and counts what really happened. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedshiftDouble } from '../support/redshift-double/double.js';
import { type Fault, STAGES, type ServerName, type Signal, type Target } from './fault.js';
import { type LineEnd, type LineRun, statusOf } from './line-run.js';
import { type Counts, count } from './tally.js';
import type { Ways } from './ways.js';
import type { World } from './world.js';
import type { Writer } from './writer.js';

/** Everything a fault can reach. */
export interface Stage {
  world: World;
  run: LineRun;
  /** How long a run usually takes. */
  usualMs: number;
  partOf: (target: Target) => number;
  ways: Ways;
  double: RedshiftDouble | undefined;
  writer: Writer;
  /** The account of the line, and the name of its sessions in the warehouse. */
  reader: string;
  schema: string;
  warehouse: 'postgres' | 'redshift';
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

async function one(stage: Stage, fault: Fault, sent: Sent[], counts: Counts): Promise<void> {
  const { run, usualMs, ways, world } = stage;
  if ('at' in fault) await moment(run, fault.at * usualMs);
  switch (fault.kind) {
    case 'signal':
      for (const target of await run.signal(fault.signal, fault.targets)) sent.push({ target, signal: fault.signal });
      if (!fault.twice) return;
      await sleep(10);
      await run.signal(fault.signal, fault.targets);
      return;
    case 'pause': {
      const stopped = await run.signal('SIGSTOP', fault.targets);
      await sleep(fault.ms);
      await run.signal('SIGCONT', fault.targets);
      return count(counts.others, 'processes stopped and continued', stopped.length);
    }
    case 'cut':
      ways.arm(fault.server, fault.cuts);
      return resumeAfterStall(stage, fault.server, fault.stallMs);
    case 'cut all':
      for (let left = fault.times; left > 0 && !run.over; left -= 1) {
        count(counts.cuts, `${fault.server} cut`, ways.cutAll(fault.server));
        await moment(run, fault.everyMs);
      }
      return;
    case 'away':
      ways.refuse(fault.server);
      await moment(run, fault.ms);
      ways.resume(fault.server);
      return count(counts.others, `${fault.server} refused every connection for a while`);
    case 's3 answer':
      return ways.answers.arm(fault);
    case 'sessions ended':
      return count(counts.cuts, `${fault.server} ended the session`, await endSessions(stage, fault.server));
    case 'double':
      return stage.double?.faults.arm(fault.fault, fault.times);
    case 'restart':
      return count(
        counts.others,
        `${fault.server} killed and started`,
        (await world.restart(fault.server, run.ended)) ? 1 : 0,
      );
    case 'column added':
      stage.writer.addColumn();
      return count(counts.others, 'columns added');
    // Armed in the line itself, or another run.
    case 'failpoint':
    case 'disk':
    case 'second line':
  }
}

/** What is stalled stays so for a while, each time. */
async function resumeAfterStall({ run, ways }: Stage, server: ServerName, stallMs: number): Promise<void> {
  let over = false;
  void run.ended.then(() => (over = true));
  for (let seen = ways.happened(server); !over; await sleep(50)) {
    if (ways.happened(server) === seen) continue;
    seen = ways.happened(server);
    await moment(run, stallMs);
    ways.resume(server);
  }
}

/** As soon as there is one: sessions are short. */
async function endSessions(stage: Stage, server: 'mysql' | 'warehouse'): Promise<number> {
  for (; !stage.run.over; await sleep(50)) {
    const ended = await stage.world.calm.during(() => (server === 'mysql' ? endReads(stage) : endLoads(stage)));
    if (ended > 0) return ended;
  }
  return 0;
}

async function endReads({ world, reader }: Stage): Promise<number> {
  const source = await world.source();
  const [rows] = await source.query('SELECT id FROM information_schema.processlist WHERE user = ?', [reader]);
  // One that ended meanwhile is no error here.
  const kills = (rows as { id: number }[]).map(({ id }) =>
    source.query(`KILL ${id}`).then(
      () => 1,
      () => 0,
    ),
  );
  const ended = await Promise.all(kills);
  await source.end();
  return ended.reduce<number>((sum, one) => sum + one, 0);
}

/** Known by their name; those of the double, which has no names for them, by what they have locked. */
async function endLoads({ world, reader, schema, warehouse }: Stage): Promise<number> {
  const target = await world.target(warehouse);
  const { rows } = await target.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (application_name = $1 OR pid IN
       (SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relnamespace = to_regnamespace($2)))`,
    [reader, schema],
  );
  await target.end();
  return rows.length;
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
