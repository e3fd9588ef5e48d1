/** Finds processes that a test started and did not end. Linux only: elsewhere it finds nothing. */
import { readdirSync, readFileSync } from 'node:fs';

/** Every process of a test run carries this variable, set to the id of the run. */
export const RUN_VARIABLE = 'TABLEPIPE_TEST_RUN';

/** The mark, for whoever gives a child an environment of its own. */
export function runMark(): Record<string, string> {
  const run = process.env[RUN_VARIABLE];
  return run === undefined ? {} : { [RUN_VARIABLE]: run };
}

export interface Leftover {
  pid: number;
  command: string;
}

/** The processes that carry the id of the run in their environment, or belong to session `session`. */
export function leftovers(run: string, session: number): Leftover[] {
  const found: Leftover[] = [];
  for (const entry of procEntries()) {
    const pid = Number(entry);
    if (pid === process.pid) continue;
    const environment = read(`/proc/${pid}/environ`);
    const stat = read(`/proc/${pid}/stat`);
    // After the name in parentheses: state, parent, process group, session.
    const [state, , , inSession] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === undefined || state === '') continue;
    if (!environment.includes(`${RUN_VARIABLE}=${run}`) && Number(inSession) !== session) continue;
    found.push({ pid, command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim() });
  }
  return found;
}

function procEntries(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended meanwhile, or belongs to somebody else.
    return '';
  }
}
