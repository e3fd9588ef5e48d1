/**
 * `make test`: starts the servers once, runs the compiled tests, stops the servers.
 * `make test FILES="dist/test/a.test.js …"` runs some of them, `--slow` the long ones.
 * Servers named by TABLEPIPE_TEST_* variables are used instead of starting any.
 * The last line is `N passed, N failed`; the status is 0 only when nothing failed and nothing was left running.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bed } from './bed.js';
import { startMissing } from './missing-servers.js';
import type { Counts } from './reporter.js';
import { runTestFile } from './test-file.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Test files that run at the same time. */
const JOBS = 2;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const started = performance.now();

const asked = process.argv.slice(2).filter((word) => word !== '--slow');
const slow = process.argv.includes('--slow');
const files = asked.length > 0 ? asked.map(compiled) : allFiles(slow ? '.slow.js' : '.test.js');
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort(signal));

const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
let bed: Bed | undefined;
try {
  bed = await startMissing(say);
  // The store first: everything else leans on what it promises.
  const first = files.filter((file) => file.includes('/conformance/s3'));
  for (const some of [first, files.filter((file) => !first.includes(file))]) {
    if (some.length > 0 && !interrupted.signal.aborted) await runFiles(some);
  }
} catch (error) {
  counts.failed += 1;
  say(String(error instanceof Error ? error.message : error));
} finally {
  await bed?.stop();
}
const { passed, failed, skipped } = counts;
const seconds = ((performance.now() - started) / 1000).toFixed(0);
say(
  `${files.length} files in ${seconds} s${interrupted.signal.aborted ? `, interrupted by ${interrupted.signal.reason}` : ''}`,
);
process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exitCode = failed > 0 || passed === 0 || interrupted.signal.aborted ? 1 : 0;

/** A test may be named by its source. */
function compiled(file: string): string {
  return file.replace(/^(?:\.\/)?test\/(.*)\.ts$/, 'dist/test/$1.js');
}

function allFiles(ending: string): string[] {
  const all = readdirSync(join(root, 'dist/test'), { recursive: true, encoding: 'utf8' });
  return all
    .filter((file) => file.endsWith(ending))
    .map((file) => join('dist/test', file))
    .sort();
}

/** Runs the files, `JOBS` at a time. Files run side by side must not be counted together, so each has its own counts. */
async function runFiles(some: readonly string[]): Promise<void> {
  const waiting = [...some];
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined && !interrupted.signal.aborted; file = waiting.shift()) {
      const own: Counts = { passed: 0, failed: 0, skipped: 0 };
      const begun = performance.now();
      await runTestFile(file, {
        cwd: root,
        limitMs: slow ? 5_400_000 : 300_000,
        counts: own,
        print: (text) => void process.stdout.write(text),
        signal: interrupted.signal,
      });
      for (const kind of ['passed', 'failed', 'skipped'] as const) counts[kind] += own[kind];
      const took = ((performance.now() - begun) / 1000).toFixed(1);
      say(
        `${file.replace('dist/test/', '')}: ${own.passed} passed${own.failed ? `, ${own.failed} FAILED` : ''}, ${took} s`,
      );
    }
  };
  await Promise.all(Array.from({ length: JOBS }, work));
}
