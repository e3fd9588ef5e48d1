/** What can be done to one run of the line. Moments are shares of the time a run usually takes, so that a plan fits any machine. */
import type { TcpAction } from '../support/tcp-link.js';
import type { S3Fault } from '../support/s3-proxy.js';
import type { Operation } from '../support/s3-operation.js';
import type { FaultName } from '../support/redshift-double/faults.js';

/** The programs of the line, in its order. */
export const STAGES = ['mysql-extract', 'to-parquet', 's3-put', 'wm', 'rs-copy'] as const;
/** A stage, or `wm get`, which runs before the first one and hands it the watermark. */
export type Target = (typeof STAGES)[number] | 'wm get';

export const SIGNALS = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const;
export type Signal = (typeof SIGNALS)[number];

export type ServerName = 'mysql' | 'warehouse' | 's3';

/** Where a connection is cut: at a byte, at a COMMIT, or all of them at a moment. */
export type Cut = { action: TcpAction } & (
  | { direction: 'up' | 'down'; afterBytes: number }
  | { sees: 'COMMIT'; when: 'before' | 'after'; nth: number }
);

export type Fault =
  /** `twice`: again 10 ms later, as somebody does who is in a hurry. */
  | { kind: 'signal'; signal: Signal; targets: readonly Target[]; at: number; twice: boolean }
  | { kind: 'pause'; targets: readonly Target[]; at: number; ms: number }
  | { kind: 'failpoint'; stage: number; place: string; action: 'kill' | 'term' | 'throw'; nth: number }
  /** One after the other; what is stalled goes on after `stallMs`. */
  | { kind: 'cut'; server: ServerName; cuts: readonly Cut[]; stallMs: number }
  | { kind: 'cut all'; server: ServerName; at: number; times: number; everyMs: number }
  /** Nobody can connect for a while. */
  | { kind: 'away'; server: ServerName; at: number; ms: number }
  | { kind: 's3 answer'; operation: Operation | 'any'; fault: S3Fault; times: number }
  /** The server itself ends the sessions of the line. */
  | { kind: 'sessions ended'; server: 'mysql' | 'warehouse'; at: number }
  /** Of the double of Redshift. */
  | { kind: 'double'; fault: FaultName; times: number }
  /** SIGKILL to the server, and a new start. */
  | { kind: 'restart'; server: ServerName; at: number }
  | { kind: 'column added'; at: number }
  /** No file may grow beyond this, as on a disk that is full. */
  | { kind: 'disk'; stage: number; bytes: number }
  /** The same line once more, which meets the same signals. */
  | { kind: 'second line'; at: number };

/** One line about a fault, for the log of a round. */
export function spelled({ kind, ...rest }: Fault): string {
  return `${kind} ${JSON.stringify(rest)}`;
}
