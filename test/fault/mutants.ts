/**
 * Tests of the tests: each patch in `mutants/` breaks the toolkit on purpose, in a copy, and the tests it names must
 * turn red (reference: the ten broken builds of a reliable mover). A mutant that survives is a test that is missing.
 *
 *     make mutants                 all of them; servers are started, as for `make test`
 *     make mutants NAMES="03 07"   some
 *
 * The same tests are run on an unchanged copy first: red there proves nothing. A test file stops at its first failure.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startMissing } from '../support/missing-servers.js';
import type { Counts } from '../support/reporter.js';
import { runTestFile } from '../support/test-file.js';
import { type Mutant, ROOT, applyMutant, mutants } from './mutant.js';

/** What a build needs besides node_modules. */
const COPIED = ['bin', 'src', 'test', 'examples', 'package.json', 'tsconfig.json'];

/** The sources as they are now: what is edited meanwhile changes no mutant. */
async function snapshot(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mutant-'));
  for (const name of COPIED) await cp(join(ROOT, name), join(folder, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** Runs `use` on a build of the snapshot, broken by the mutant when there is one. */
async function withBuild<T>(
  sources: string,
  mutant: Mutant | undefined,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'mutant-'));
  try {
    await cp(sources, folder, { recursive: true, verbatimSymlinks: true });
    if (mutant) await applyMutant(mutant, folder);
    await compile(folder);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compile(cwd: string): Promise<void> {
  const words = ['node_modules/ts7/bin/tsc', '-p', '.'];
  await promisify(execFile)(process.execPath, words, { cwd }).catch((error: { stdout: string }) => {
    throw new Error(`compiling ${cwd}: ${error.stdout}`);
  });
}

/** Runs tests one after the other until one is red; resolves to what it said. */
async function firstRed(folder: string, tests: readonly string[]): Promise<string | undefined> {
  for (const test of tests) {
    const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
    const said: string[] = [];
    const file = join('dist', test.replace(/\.ts$/, '.js'));
    const print = (text: string): void => void said.push(text);
    await runTestFile(file, { cwd: folder, limitMs: 300_000, counts, print, signal: interrupted.signal });
    interrupted.signal.throwIfAborted();
    if (counts.failed > 0)
      return `${test}: ${said
        .join('')
        .split('\n', 1)[0]
        ?.replace(/^.* > /, '')
        .slice(0, 150)}`;
  }
  return undefined;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort(signal));
process.env.TAP_BAIL = '1';

/** Resolves to the number of mutants that no test noticed. */
async function survivors(sources: string, chosen: readonly Mutant[]): Promise<number> {
  const needed = [...new Set(chosen.flatMap(({ tests }) => tests))];
  const unchanged = await withBuild(sources, undefined, (folder) => firstRed(folder, needed));
  if (unchanged !== undefined) throw new Error(`red without any mutant: ${unchanged}`);
  say(`unchanged: green in ${needed.length} test files, ${seconds()}`);
  let survived = 0;
  for (const mutant of chosen) {
    const { name, breaks, tests } = mutant;
    const red = await withBuild(sources, mutant, (folder) => firstRed(folder, tests));
    if (red === undefined) survived += 1;
    const found = red === undefined ? 'SURVIVED' : 'caught';
    say(`${found} after ${seconds()}: ${name}. ${breaks}${red === undefined ? '' : `\n  by ${red}`}`);
  }
  return survived;
}

const started = performance.now();
const seconds = (): string => `${((performance.now() - started) / 1000).toFixed(0)} s`;
const chosen = await mutants(process.argv.slice(2));
process.exitCode = 1;
const bed = await startMissing(say);
const sources = await snapshot();
try {
  const survived = await survivors(sources, chosen);
  say(`${chosen.length - survived} of ${chosen.length} mutants caught in ${seconds()}`);
  if (survived === 0 && chosen.length > 0) process.exitCode = 0;
} catch (error) {
  say(interrupted.signal.aborted ? `interrupted by ${String(interrupted.signal.reason)}` : (error as Error).message);
} finally {
  await rm(sources, { recursive: true, force: true });
  await bed.stop();
}
