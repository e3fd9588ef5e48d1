/**
 * The only file that touches argv, the environment, signals and the exit status.
 *
 * The status is 70 until the command has proven success: a stream that stalls with nothing left in the
 * event loop would otherwise end a Node process with 0 (reference/reliability.md section 0).
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeSync } from 'node:fs';
import { Failure, codeOf, fileFailure, systemCode } from '../errors.js';
import { FAILPOINT_VARIABLE, armFailpoints } from '../failpoint.js';
import { COMMON_FLAGS, type Command, type CommandSet, type Invocation } from './command.js';
import { closest, parseFlags, type Parsed } from './flags.js';
import { commandHelp, setHelp } from './help.js';
import { Signals } from './signals.js';
import { Words, redactUrls } from './stderr.js';

/** A limit below which a program can run out of descriptors while it is loaded; each needs about 40. */
const FEW_DESCRIPTORS = 64;

/** How long open handles may keep a finished process alive. */
const LINGER_MS = 1_000;

/** Runs a program from the first word to the exit status; never rejects. */
export async function main(program: string, load: () => Promise<Command | CommandSet>): Promise<void> {
  process.exitCode = 70;
  const argv = process.argv.slice(2);
  process.title = program;
  // Without a listener SIGUSR1 opens a debugger port (reference/reliability.md section 3).
  process.on('SIGUSR1', () => {});
  let words = new Words(program, writeStderr, 1);
  const signals = new Signals(() => words);
  const settled = watchTheEnd(program);
  try {
    const chosen = choose(program, await load(), argv);
    if ('help' in chosen) return await finish(0, chosen.help);
    const { command, name } = chosen;
    const parsed = parseFlags(chosen.words, [...command.flags, ...COMMON_FLAGS], process.env);
    if (parsed.flags.on('help')) return await finish(0, commandHelp(name, command));
    if (parsed.flags.on('version')) return await finish(0, `${program} (tablepipe) ${version()}\n`);
    words = new Words(program, writeStderr, verbosity(parsed));
    armFailpoints(process.env[FAILPOINT_VARIABLE], { kill: (signal) => process.kill(process.pid, signal) });
    await command.run(invocation(program, parsed, words, signals.signal));
    process.exitCode = 0;
  } catch (error) {
    const failure = signals.reason ?? readerLeft(error) ?? noDescriptors(error) ?? error;
    const silent = failure instanceof Failure && failure.kind === 'reader-left';
    if (!silent && !signals.received) words.fail(failure);
    process.exitCode = codeOf(failure);
  } finally {
    settled();
    signals.end();
    leaveSoon();
  }
}

type Chosen = { command: Command; name: string; words: readonly string[] } | { help: string };

function choose(program: string, loaded: Command | CommandSet, argv: readonly string[]): Chosen {
  if (!('verbs' in loaded)) return { command: loaded, name: program, words: argv };
  const [verb, ...rest] = argv;
  if (verb === '--help' || verb === '-h' || verb === 'help') return { help: setHelp(program, loaded) };
  if (verb === '--version') return { help: `${program} (tablepipe) ${version()}\n` };
  const verbs = Object.keys(loaded.verbs);
  const command = verb === undefined ? undefined : loaded.verbs[verb];
  if (command) return { command, name: `${program} ${verb}`, words: rest };
  const near = verb === undefined ? undefined : closest(verb, verbs);
  throw new Failure('usage', verb === undefined ? `${program} needs a command` : `unknown command ${verb}`, {
    hint: near ? `Did you mean ${near}?` : `Commands: ${verbs.join(', ')}.`,
  });
}

function invocation(program: string, parsed: Parsed, words: Words, signal: AbortSignal): Invocation {
  return {
    operands: parsed.operands,
    flags: parsed.flags,
    env: process.env,
    words,
    signal,
    runId: parsed.flags.text('run-id') ?? randomBytes(8).toString('hex'),
    agent: `${program}/${version()}`,
  };
}

function verbosity(parsed: Parsed): number {
  if (parsed.flags.on('debug')) return 3;
  if (parsed.flags.on('verbose')) return 2;
  return parsed.flags.on('quiet') ? 0 : 1;
}

let packageVersion: string | undefined;

function version(): string {
  packageVersion ??= (
    JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  ).version;
  return packageVersion;
}

async function finish(code: number, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) =>
    process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
  );
  process.exitCode = code;
}

function writeStderr(line: string): void {
  process.stderr.write(line);
}

/** A closed stdout, wherever in the pipeline it was noticed. */
function readerLeft(error: unknown): Failure | undefined {
  if (error instanceof Failure && error.kind === 'reader-left') return error;
  return systemCode(error) === 'EPIPE' && /write/.test(String((error as { syscall?: string }).syscall ?? ''))
    ? new Failure('reader-left', 'the reader of stdout went away', { cause: error })
    : undefined;
}

/** Too few file descriptors to load the program itself. */
function noDescriptors(error: unknown): Failure | undefined {
  if (error instanceof Failure) return undefined;
  const code = systemCode(error) ?? '';
  // Node's resolver takes a package it has no descriptor left to look at for one that is not there.
  const unseen = /^(?:ERR_)?MODULE_NOT_FOUND$/.test(code) && descriptorLimit() <= FEW_DESCRIPTORS;
  if (!unseen && code !== 'EMFILE' && code !== 'ENFILE') return undefined;
  const few = unseen
    ? Object.assign(new Error('no descriptor for a module', { cause: error }), { code: 'EMFILE' })
    : error;
  return fileFailure(few, 'loading', 'the program');
}

function descriptorLimit(): number {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  return Number(report.userLimits?.open_files?.soft ?? Number.POSITIVE_INFINITY);
}

/**
 * Names the two ways a process can end without its command having ended: an exception nobody caught, and
 * an event loop with nothing left in it because a stream stalled. Returns what to call when the command ended.
 */
function watchTheEnd(program: string): () => void {
  process.on('uncaughtException', (error) => {
    const closed = systemCode(error) === 'EPIPE';
    if (!closed) writeSync(2, `${program}: unexpected: ${redactUrls(error.stack ?? String(error))}\n`);
    process.exit(closed ? 141 : 70);
  });
  const ended = (): void => {
    process.exitCode = 70;
    writeSync(
      2,
      `${program}: error[70 SOFTWARE]: ended without finishing; please report it. Running the same line again is safe.\n`,
    );
  };
  process.once('exit', ended);
  return () => process.off('exit', ended);
}

/** Everything is written and awaited; a socket that does not close must not hold the process. */
function leaveSoon(): void {
  setTimeout(() => process.exit(), LINGER_MS).unref();
}
