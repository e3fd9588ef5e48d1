/** One round: a new table, a writer on it, the line run under faults, then run until it is done and quiet, then compared. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { closing } from './closing.js';
import { type Fault, spelled } from './fault.js';
import { inflict, type Stage } from './inflict.js';
import { lineParts, partOf, type Place } from './line.js';
import { type LineEnd, LineRun } from './line-run.js';
import type { RoundPlan } from './round-plan.js';
import { createTable } from './table.js';
import { type Counts, countStatus, noCounts } from './tally.js';
import { type Finding, findingsOf } from './verdict.js';
import type { World } from './world.js';
import { Writer } from './writer.js';

export interface RoundEnd {
  counts: Counts;
  findings: readonly Finding[];
  /** What happened, for whoever looks for the reason. */
  log: readonly string[];
}

/** How long a run usually takes, shared by all rounds of a torture: the moments of faults are shares of it. */
export class Pace {
  usualMs = 3_000;

  note(ms: number): void {
    this.usualMs = 0.8 * this.usualMs + 0.2 * ms;
  }
}

/** No run takes longer than this, whatever happens to it. */
const LIMIT_MS = 120_000;
/** Undisturbed runs that may fail before the line counts as stuck: none has a reason to. */
const PATIENCE = 3;
/** A row is read when it is 2 s old (--lag), by the clock of the server. */
const SETTLED_MS = 2_200;

export async function playRound(world: World, plan: RoundPlan, folder: string, pace: Pace): Promise<RoundEnd> {
  const round = new Round(world, plan, folder, pace);
  await round.open();
  try {
    await round.underFaults();
    if (round.findings.length === 0) await round.toTheEnd();
    return { counts: round.counts, findings: round.findings, log: round.log };
  } finally {
    await round.close();
  }
}

class Round {
  readonly counts = noCounts();
  readonly findings: Finding[] = [];
  readonly log: string[] = [];
  readonly #place: Place;
  readonly #writer: Writer;
  readonly #home: string;

  constructor(
    private readonly world: World,
    private readonly plan: RoundPlan,
    folder: string,
    private readonly pace: Pace,
  ) {
    const schema = `t${plan.seed.replaceAll(/[^a-z0-9]/gi, '').toLowerCase()}_${plan.round}`;
    this.#home = join(folder, schema);
    this.#place = {
      name: { schema, table: 'moved' },
      bucket: world.addresses.bucket,
      receipts: join(this.#home, 'receipts.ndjson'),
    };
    const { name } = this.#place;
    const seed = `${plan.seed} round ${plan.round}`;
    this.#writer = new Writer({ url: world.addresses.mysqlUrl, name, seed, letters: plan.letters });
    this.counts.rounds = 1;
  }

  async open(): Promise<void> {
    mkdirSync(this.#home, { recursive: true });
    const source = await this.world.source();
    await createTable(source, this.#place.name);
    await source.end();
    await this.#writer.fill(this.plan.rows);
  }

  /** The runs of the plan, one after the other, while the writer works. */
  async underFaults(): Promise<void> {
    this.#writer.start();
    for (const faults of this.plan.runs) {
      this.counts.runs += 1;
      await this.#run(faults);
      if (this.findings.length > 0) break;
    }
    await this.#writer.stop();
  }

  /** Runs without faults until one has nothing left to do; then everything is looked at. */
  async toTheEnd(): Promise<void> {
    await sleep(SETTLED_MS);
    let patience = PATIENCE;
    for (;;) {
      const restarts = this.world.restarts;
      this.counts.cleanRuns += 1;
      const end = await this.#run([]);
      if (this.findings.length > 0) return;
      const disturbed = restarts !== this.world.restarts;
      if (end.code === 0 && !disturbed) this.pace.note(end.ms);
      if (end.code === 0 && isQuiet(end)) break;
      if (end.code !== 0 && !disturbed && (patience -= 1) === 0) {
        this.findings.push({ kind: 'stuck', what: `the line fails without a fault: ${end.code}` });
        return;
      }
    }
    this.findings.push(...(await closing(this.world, this.plan, this.#place, this.#environment(), this.counts)));
  }

  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    const { schema } = this.#place.name;
    const source = await this.world.source();
    await source.query(`DROP DATABASE ${schema}`);
    await source.end();
    const target = await this.world.target(this.plan.warehouse);
    await target.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await target.end();
    rmSync(this.#home, { recursive: true, force: true });
  }

  async #run(faults: readonly Fault[]): Promise<LineEnd> {
    const { plan, world, counts } = this;
    this.log.push(`run ${this.counts.runs + this.counts.cleanRuns}: ${faults.map(spelled).join(' + ') || 'no fault'}`);
    const run = new LineRun({
      parts: lineParts(plan, this.#place, faults),
      partOf: partOf(plan),
      env: this.#environment(),
      limitMs: LIMIT_MS,
    });
    const stage: Stage = { run, usualMs: this.pace.usualMs, partOf: partOf(plan) };
    const told = inflict(stage, faults, counts);
    const end = await run.ended;
    await told(end);
    countStatus(counts, end);
    this.log.push(
      `  ${end.code} (${end.parts.join(' ')}) in ${end.ms.toFixed(0)} ms`,
      ...indented(end.stdout),
      ...indented(end.stderr),
    );
    this.findings.push(...findingsOf(end, faults, world.secrets));
    return end;
  }

  #environment(): Record<string, string> {
    const { schema } = this.#place.name;
    const chain =
      this.plan.store === 's3'
        ? `s3://${this.world.addresses.bucket}/${schema}/watermarks/`
        : `file://${this.#home}/watermarks/`;
    return { ...this.world.environment(this.plan.warehouse), TABLEPIPE_WM_STORE: chain, TMPDIR: this.#home };
  }
}

const indented = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .map((line) => `    ${line}`);

/** Whether a run found nothing to load. */
function isQuiet({ stdout }: LineEnd): boolean {
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  return last.includes('"type":"end"') && last.includes('"objects":0') && last.includes('"already_loaded":0');
}
