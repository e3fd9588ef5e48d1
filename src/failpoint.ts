/**
 * Named places where a program can be made to die, stop or stall, so that tests can put a fault exactly
 * where it hurts. One list for all programs, so "every failpoint, every action" can be checked.
 *
 *     TABLEPIPE_UNSAFE_FAILPOINTS="wm.after-create=kill@3,s3-put.after-complete=delay:200"
 *
 * Nothing happens unless main() arms them from that variable; unarmed, a failpoint costs one comparison.
 */
import { Failure } from './errors.js';

export const FAILPOINT_VARIABLE = 'TABLEPIPE_UNSAFE_FAILPOINTS';

/** Every failpoint of every program, in the order of the pipeline. */
export const FAILPOINTS = [
  'mysql-extract.connected',
  'mysql-extract.after-page',
  'mysql-extract.before-end',
  'to-parquet.after-batch',
  'to-parquet.before-footer',
  'to-parquet.before-end',
  's3-put.before-create',
  's3-put.after-part',
  's3-put.before-complete',
  's3-put.after-complete',
  's3-put.before-receipt',
  's3-clean.before-removal',
  's3-clean.after-removal',
  'wm.before-create',
  'wm.after-create',
  'wm.after-hint',
  'wm.before-print',
  'wm.file.written',
  'wm.file.linked',
  'wm.aside.copied',
  'wm.lease.acquired',
  'rs-copy.after-lock',
  'rs-copy.after-copy',
  'rs-copy.before-commit',
  'rs-copy.after-commit',
  'rs-copy.after-loaded',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

/** What main() lends to this file: only it may touch the process. */
export interface FailpointPowers {
  kill(signal: 'SIGKILL' | 'SIGTERM'): void;
}

interface Armed {
  action: string;
  /** Milliseconds of a delay. */
  ms: number;
  /** Fires when the place is reached for the nth time, counted from 1; 0 = every time. */
  nth: number;
  reached: number;
}

let armed: Map<string, Armed> | undefined;
let powers: FailpointPowers | undefined;

/** Arms the failpoints named in `text`; undefined or empty leaves all of them off. 64 for an unknown name or action. */
export function armFailpoints(text: string | undefined, lent: FailpointPowers): void {
  armed = text ? new Map(text.split(',').map(parseOne)) : undefined;
  powers = lent;
}

function parseOne(text: string): [string, Armed] {
  const match = /^([a-z0-9.-]+)=(kill|term|throw|hang|delay:([0-9]+))(?:@([0-9]+))?$/.exec(text.trim());
  const [, name = '', action = '', ms = '0', nth = '1'] = match ?? [];
  if (!match || !FAILPOINTS.includes(name as Failpoint)) {
    throw new Failure('usage', `${FAILPOINT_VARIABLE}: ${text} is not NAME=kill|term|throw|hang|delay:MS[@N]`, {
      hint: `Names: ${FAILPOINTS.join(', ')}.`,
    });
  }
  return [name, { action: action.replace(/:.*/, ''), ms: Number(ms), nth: Number(nth), reached: 0 }];
}

/** Does what was armed for this place; resolves at once when nothing was. */
export async function failpoint(name: Failpoint): Promise<void> {
  if (armed === undefined) return;
  const one = armed.get(name);
  if (!one) return;
  one.reached += 1;
  if (one.nth !== 0 && one.reached !== one.nth) return;
  if (one.action === 'kill') powers?.kill('SIGKILL');
  if (one.action === 'term') powers?.kill('SIGTERM');
  if (one.action === 'throw') throw new Failure('temporary', `failpoint ${name}`);
  if (one.action === 'delay') return await new Promise((resolve) => setTimeout(resolve, one.ms));
  // A killed or hanging program does nothing more: the interval keeps the event loop from running empty.
  if (one.action !== 'term') await new Promise(() => setInterval(() => {}, 60_000));
}
