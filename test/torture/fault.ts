/** What can be done to one run of the line. Moments are shares of the time a run usually takes, so that a plan fits any machine. */

/** The programs of the line, in its order. */
export const STAGES = ['mysql-extract', 'to-parquet', 's3-put', 'wm', 'rs-copy'] as const;
/** A stage, or `wm get`, which runs before the first one and hands it the watermark. */
export type Target = (typeof STAGES)[number] | 'wm get';

export const SIGNALS = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const;
export type Signal = (typeof SIGNALS)[number];

export type Fault =
  /** `twice`: again 10 ms later, as somebody does who is in a hurry. */
  | { kind: 'signal'; signal: Signal; targets: readonly Target[]; at: number; twice: boolean }
  | { kind: 'pause'; targets: readonly Target[]; at: number; ms: number }
  | { kind: 'failpoint'; stage: number; place: string; action: 'kill' | 'term' | 'throw'; nth: number };

/** One line about a fault, for the log of a round. */
export function spelled(fault: Fault): string {
  const { kind, ...rest } = fault;
  const words = Object.values(rest).map((value) =>
    typeof value === 'number' ? String(+value.toFixed(2)) : String(value),
  );
  return `${kind} ${words.join(' ')}`;
}
