/**
 * Where the next read of a table begins, as one JSON text that `wm get --format cursor` prints and
 * `mysql-extract --since` reads:
 *
 *     null                                          nothing was read yet: from the start
 *     ["2024-05-01 10:00:00.000000","42"]           after this cursor; fewer values than columns: from there on
 *     {"backfill":["4711"],"until":"2024-05-01 …"}  a first load under way: after this key, still up to that bound
 *
 * It is never empty, since an empty text is what `--since "$(wm get …)"` becomes when `wm get` fails: taken for
 * "from the start", that would read the whole table again. Nor is it a usage error: a store that did not answer for a
 * moment would then stop a loop that goes on only after the statuses that say "again".
 */
import { isPosition, type Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { State } from './state.js';

export type Resume =
  | { from: 'start' }
  | { from: 'cursor'; position: Position }
  | { from: 'backfill'; position: Position; until: string | null };

/** Where a table's next read begins. A cursor comes before a backfill that was begun beside it. */
export function resumeOf(state: State): Resume {
  if (state.cursor !== null) return { from: 'cursor', position: state.cursor };
  return backfillOf(state) ?? { from: 'start' };
}

/** Where a backfill under way goes on; undefined when there is none. */
export function backfillOf({ backfill }: State): Extract<Resume, { from: 'backfill' }> | undefined {
  if (backfill?.status !== 'running' || backfill.to === null) return undefined;
  return { from: 'backfill', position: backfill.to, until: backfill.until };
}

/** The text, without a newline. */
export function resumeText(resume: Resume): string {
  if (resume.from === 'start') return 'null';
  if (resume.from === 'cursor') return JSON.stringify(resume.position);
  return JSON.stringify({ backfill: resume.position, until: resume.until });
}

/** Reads such a text; 64 for anything else, 82 for an empty one. */
export function parseResume(text: string, flag = '--since'): Resume {
  if (text.trim() === '') {
    throw new Failure('truncated', `${flag} is empty: the program that should have printed the position failed`, {
      hint: `Its own message says why. To read from the start, give ${flag} null.`,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed(flag);
  }
  if (value === null) return { from: 'start' };
  if (filled(value)) return { from: 'cursor', position: value };
  const { backfill, until = null } = value as { backfill?: unknown; until?: unknown };
  if (!filled(backfill) || (until !== null && typeof until !== 'string')) throw malformed(flag);
  return { from: 'backfill', position: backfill, until };
}

function filled(value: unknown): value is Position {
  return Array.isArray(value) && value.length > 0 && isPosition(value);
}

function malformed(flag: string): Failure {
  return new Failure('usage', `${flag}: expected what \`wm get --format cursor\` prints`, {
    hint: 'A JSON array of strings, such as \'["2024-01-01 00:00:00.000000","42"]\', or null for the start.',
  });
}
