/** One round: a new table, a writer on it, the line run under faults, then run until it is done and quiet, then compared. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedshiftDouble } from '../support/redshift-double/double.js';
import { closing } from './closing.js';
import { type Fault, spelled } from './fault.js';
import { type Stage, inflict, moment } from './inflict.js';
import { type Place, lineParts, partOf } from './line.js';
import { type LineEnd, LineRun } from './line-run.js';
import type { RoundPlan } from './round-plan.js';
import { createTable } from './table.js';
import { type Counts, count, countStatus, noCounts } from './tally.js';
import { type Finding, findingsOf } from './verdict.js';
import { Ways } from './ways.js';
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
const LIMIT_MS = 180_000;
/** Undisturbed runs that may fail before the line counts as stuck: none has a reason to. */
const PATIENCE = 3;
/** A row is read when it is 2 s old (--lag), by the clock of the server. */
const SETTLED_MS = 2_200;

export async function playRound(world: World, plan: RoundPlan, folder: string, pace: Pace): Promise<RoundEnd> {
  const round = await Round.open(world, plan, folder, pace);
  try {
    await round.underFaults();
    if (round.findings.length === 0) await round.toTheEnd();
    return { counts: round.counts, findings: round.findings, log: round.log };
  } finally {
    await round.close();
  }
}

class Round {
  readonly counts = { ...noCounts(), rounds: 1 };
  readonly findings: Finding[] = [];
  readonly log: string[] = [];

  private constructor(
    private readonly world: World,
    private readonly plan: RoundPlan,
    private readonly place: Place,
    private readonly writer: Writer,
    private readonly ways: Ways,
    private readonly double: RedshiftDouble | undefined,
    private readonly pace: Pace,
  ) {}

  static async open(world: World, plan: RoundPlan, folder: string, pace: Pace): Promise<Round> {
    const schema = `t${plan.seed.replaceAll(/[^a-z0-9]/gi, '').toLowerCase()}_${plan.round}`;
    const home = join(folder, schema);
    mkdirSync(home, { recursive: true });
    const name = { schema, table: 'moved' };
    const place = { name, home, bucket: world.addresses.bucket, receipts: join(home, 'receipts.ndjson') };
    const { mysqlUrl, warehouseUrl, aws } = world.addresses;
    const seed = `${plan.seed} round ${plan.round}`;
    const writer = new Writer({ url: mysqlUrl, name, seed, letters: plan.letters });
    return world.calm.during(async () => {
      const source = await world.source();
      await createTable(source, name);
      await world.addReader(source, schema);
      await source.end();
      await writer.fill(plan.rows);
      const double = plan.warehouse === 'redshift' ? await world.double() : undefined;
      const ways = await Ways.open({
        mysql: Number(new URL(mysqlUrl).port),
        warehouse: double?.port ?? Number(new URL(warehouseUrl).port),
        s3: aws.AWS_ENDPOINT_URL ?? '',
      });
      return new Round(world, plan, place, writer, ways, double, pace);
    });
  }

  /** The runs of the plan, one after the other, while the writer works. */
  async underFaults(): Promise<void> {
    this.writer.start();
    for (const faults of this.plan.runs) {
      this.counts.runs += 1;
      await this.run(faults);
      if (this.findings.length > 0) break;
    }
    await this.writer.stop();
  }

  /** Runs without faults until one has nothing left to do; then everything is looked at. */
  async toTheEnd(): Promise<void> {
    await sleep(SETTLED_MS);
    for (let patience = PATIENCE; ; ) {
      const { restarts } = this.world;
      this.counts.cleanRuns += 1;
      const end = await this.run([]);
      if (this.findings.length > 0) return;
      const disturbed = restarts !== this.world.restarts || restarts % 2 === 1;
      if (end.code === 0 && isQuiet(end)) break;
      if (end.code === 0 || disturbed) continue;
      patience -= 1;
      if (patience > 0) continue;
      this.findings.push({ kind: 'stuck', what: `the line fails without a fault: ${end.code}` });
      return;
    }
    const { world, plan, place, counts } = this;
    const looked = world.calm.during(() => closing({ world, plan, place, env: this.environment(), counts }));
    this.findings.push(...(await looked));
  }

  async close(): Promise<void> {
    await this.writer.close().catch(() => {});
    await this.double?.stop();
    await this.ways.close();
    const { schema } = this.place.name;
    await this.world.calm.during(async () => {
      const source = await this.world.source();
      await source.query(`DROP DATABASE ${schema}`);
      await source.query(`DROP USER ${schema}@'%'`);
      await source.end();
      const target = await this.world.target(this.plan.warehouse);
      await target.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
      await target.end();
    });
    rmSync(this.place.home, { recursive: true, force: true });
  }

  /** One run, or two of the same line where the plan says so. */
  private async run(faults: readonly Fault[]): Promise<LineEnd> {
    const { counts, ways, double } = this;
    this.log.push(`run ${counts.runs + counts.cleanRuns}: ${faults.map(spelled).join(' + ') || 'no fault'}`);
    const first = this.start(faults, faults);
    const second = faults.find((fault) => fault.kind === 'second line');
    const both = [first];
    if (second) {
      await moment(first.run, second.at * this.pace.usualMs);
      count(counts.others, 'second runs of the line beside the first');
      both.push(
        this.start(
          [],
          faults.filter(({ kind }) => kind === 'signal' || kind === 'pause'),
        ),
      );
    }
    const [end] = await Promise.all(both.map((each) => this.ended(each, faults)));
    ways.settle(counts);
    for (const [name, times] of Object.entries(double?.faults.fired ?? {})) {
      count(counts.others, `double of Redshift: ${name}`, times);
      delete double?.faults.fired[name as keyof typeof double.faults.fired];
    }
    return end as LineEnd;
  }

  private start(armed: readonly Fault[], faults: readonly Fault[]): Started {
    const { plan, place, world, ways, double, writer } = this;
    const { schema } = place.name;
    const run = new LineRun({
      parts: lineParts(plan, place, armed),
      partOf: partOf(plan),
      env: this.environment(),
      limitMs: LIMIT_MS,
    });
    const { usualMs } = this.pace;
    const { warehouse } = plan;
    const stage = {
      world,
      run,
      usualMs,
      partOf: partOf(plan),
      ways,
      double,
      writer,
      reader: schema,
      schema,
      warehouse,
    };
    return { run, told: inflict(stage satisfies Stage, faults, this.counts) };
  }

  private async ended({ run, told }: Started, faults: readonly Fault[]): Promise<LineEnd> {
    const end = await run.ended;
    await told(end);
    countStatus(this.counts, end);
    if (end.code === 0) this.pace.note(end.ms);
    const ms = end.ms.toFixed(0);
    this.log.push(
      `  ${end.code} (${end.parts.join(' ')}) in ${ms} ms`,
      ...indented(end.stdout),
      ...indented(end.stderr),
    );
    this.findings.push(...findingsOf(end, faults, this.world.secrets));
    return end;
  }

  private environment(): Record<string, string> {
    const { world, plan, place, ways } = this;
    const { schema } = place.name;
    const chain =
      plan.store === 's3' ? `s3://${place.bucket}/${schema}/watermarks/` : `file://${place.home}/watermarks/`;
    const ours = { TABLEPIPE_WM_STORE: chain, TMPDIR: place.home };
    return { ...world.environment(plan.warehouse, schema, ways.ports), ...ours };
  }
}

interface Started {
  run: LineRun;
  told: (end: LineEnd) => Promise<void>;
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
