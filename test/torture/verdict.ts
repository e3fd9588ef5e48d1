/** Judges one run of the line: its statuses, its words, and what it left behind. */
import type { Fault } from './fault.js';
import { type LineEnd, statusOf } from './line-run.js';

export interface Finding {
  kind: 'lost' | 'twice' | 'stuck' | 'broken';
  what: string;
}

/** What a stage may end with when nothing but faults happened: done, try again, a signal of ours, or a reader that left. */
const RETRYABLE = new Set([
  0,
  75,
  80,
  81,
  82,
  141,
  ...(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'] as const).map(statusOf),
]);

/** 74 is for a disk that we have filled. */
const FULL_DISK = 74;

export function findingsOf(end: LineEnd, faults: readonly Fault[], secrets: readonly string[]): Finding[] {
  const found: Finding[] = [];
  const broken = (what: string): void => void found.push({ kind: 'broken', what });
  if (end.late) return [{ kind: 'stuck', what: `the line did not end within ${Math.round(end.ms)} ms` }];
  const filled = faults.some(({ kind }) => kind === 'disk');
  for (const status of new Set([end.code, ...end.parts])) {
    if (!RETRYABLE.has(status) && !(status === FULL_DISK && filled)) broken(`a fault alone ended in status ${status}`);
  }
  if (end.parts.every((part) => part === 0) !== (end.code === 0)) broken('the line and its stages disagree');
  if (end.left.length > 0) broken(`processes left behind: ${end.left.join('; ')}`);
  for (const [where, text] of [
    ['stdout', end.stdout],
    ['stderr', end.stderr],
    ['argv', end.commands.join('\n')],
  ] as const) {
    if (secrets.some((secret) => text.includes(secret))) broken(`a secret in ${where}`);
  }
  if (/^\s+at .*\.js:\d+/m.test(end.stderr)) broken('a stack trace on stderr');
  return found;
}
