/** The line of the README for one round's table, with small batches, so that every stage has something to do for a while. */
import { STAGES, type Fault, type Target } from './fault.js';
import type { RoundPlan } from './round-plan.js';
import type { TableName } from './table.js';

export interface Place {
  name: TableName;
  /** A folder of the round. */
  home: string;
  bucket: string;
  /** Where `tee` writes the receipts. */
  receipts: string;
}

/** The parts of the line. Faults that are armed beforehand stand before their stage, as a shell sets a variable or a limit. */
export function lineParts(plan: RoundPlan, { name, bucket, receipts }: Place, faults: readonly Fault[] = []): string[] {
  const table = `${name.schema}.${name.table}`;
  // A backfill in key order is read again from its beginning by time: right for an upsert, twice for an append.
  const order = plan.mode === 'append' ? ' --order cursor' : '';
  // A connection that falls silent may stay so for ever, and a run of the line ends within minutes.
  const idle = '--idle-timeout 5s';
  const patience = plan.patience === undefined ? '' : ` --retry-max-time ${plan.patience}`;
  const programs = [
    `mysql-extract ${table} --since "$(wm get ${table} --format cursor${patience})" --lag ${plan.lag} --batch-size ${plan.batchRows}${order} ${idle}${patience}`,
    `to-parquet --split-rows ${plan.splitRows}`,
    `s3-put s3://${bucket}/${name.schema}/incremental/ --part-size 5MiB ${idle}${patience}`,
    `wm advance ${table} --flush-interval 100ms --flush-files ${plan.flushFiles}${patience}`,
    `rs-copy ${table} --from-store ${table} --create --evolve add --mode ${plan.mode} --lock-timeout 20s ${idle}${patience}`,
  ].map((program, stage) => [...before(stage, faults), program].join(' '));
  if (plan.tee) programs.splice(3, 0, `tee -a ${receipts}`);
  return programs;
}

/** Which part a stage is. */
export function partOf(plan: RoundPlan): (target: Target) => number {
  return (target) => {
    const stage = target === 'wm get' ? 0 : STAGES.indexOf(target);
    return plan.tee && stage >= 3 ? stage + 1 : stage;
  };
}

function before(stage: number, faults: readonly Fault[]): string[] {
  const points = faults.flatMap((fault) =>
    fault.kind === 'failpoint' && fault.stage === stage ? [`${fault.place}=${fault.action}@${fault.nth}`] : [],
  );
  const limits = faults.flatMap((fault) =>
    fault.kind === 'disk' && fault.stage === stage ? [`prlimit --fsize=${fault.bytes}`] : [],
  );
  return [...(points.length > 0 ? [`TABLEPIPE_UNSAFE_FAILPOINTS=${points.join(',')}`] : []), ...limits];
}
