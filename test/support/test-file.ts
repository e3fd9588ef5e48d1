/** Runs one compiled test file: its TAP read, its time limited, its leftovers found. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { leftovers, RUN_VARIABLE } from './leftover.js';
import { type Counts, plainReporter } from './reporter.js';

const warnings = fileURLToPath(new URL('warnings.js', import.meta.url));

export interface FileSettings {
  cwd: string;
  /** The whole file is killed after this time. */
  limitMs: number;
  counts: Counts;
  print: (text: string) => void;
  signal: AbortSignal;
}

/**
 * A plain `node FILE`, as a person would run it: tap's own runner hooks itself into every child, where it slows our
 * programs down and breaks the ones without an extension. In a session of its own, so that what it starts and does
 * not end is found, killed and counted as a failure.
 */
export async function runTestFile(file: string, settings: FileSettings): Promise<void> {
  const { counts, signal } = settings;
  const run = randomBytes(8).toString('hex');
  const before = { ...counts };
  let stderr = '';
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', warnings, file], {
    cwd: settings.cwd,
    env: { ...process.env, [RUN_VARIABLE]: run, TAP_TIMEOUT: String(settings.limitMs / 1000) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const print = (text: string): void => settings.print(text);
  const reporter = plainReporter(counts, file, print);
  child.stdout.on('data', (chunk: Buffer) => reporter.write(String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (stderr = `${stderr}${String(chunk)}`.slice(-20_000)));
  const stop = (): void => void child.kill('SIGKILL');
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    stop();
  }, settings.limitMs);
  signal.addEventListener('abort', stop);
  // A leftover child holds the pipes open, so this is not the `close` event.
  const [code, killed] = (await once(child, 'exit')) as [number | null, string | null];
  clearTimeout(limit);
  signal.removeEventListener('abort', stop);
  const fail = (words: string): void => {
    counts.failed += 1;
    print(`not ok: ${file} > ${words}\n`);
  };
  for (const { pid, command } of leftovers(run, child.pid ?? 0)) {
    if (!signal.aborted && !late) fail(`left a process running: ${command}`);
    process.kill(pid, 'SIGKILL');
  }
  if (!child.stdout.readableEnded) await once(child.stdout, 'end');
  reporter.end();
  if (signal.aborted) return;
  if (late) fail(`was not done after ${settings.limitMs / 1000} s`);
  else if (code !== 0 && counts.failed === before.failed) fail(`ended with ${killed ?? code} and reported no failure`);
  else if (counts.passed + counts.failed + counts.skipped === before.passed + before.failed + before.skipped)
    fail('tested nothing');
  if (counts.failed > before.failed && stderr !== '') print(`stderr of ${file}:\n${stderr}\n`);
}
