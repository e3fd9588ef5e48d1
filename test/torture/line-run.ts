/** One run of the line in a real bash, whose stages can be found, signalled and paused while they live. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { leftovers, runMark } from '../support/leftover.js';
import { BIN } from '../support/program.js';
import type { Target } from './fault.js';

export interface LineEnd {
  /** Status of the line under `pipefail`, and of its parts in order. */
  code: number;
  parts: readonly number[];
  stdout: string;
  stderr: string;
  ms: number;
  /** It did not end in time and was killed. */
  late: boolean;
  /** Commands of processes that it left behind. */
  left: readonly string[];
  /** Every command line that was seen. */
  commands: readonly string[];
}

export interface LineSettings {
  /** The parts, as they stand between the bars; the first one holds `$(wm get …)`. */
  parts: readonly string[];
  /** Which part each stage is, by its place in the line. */
  partOf: (target: Target) => number;
  env: Readonly<Record<string, string>>;
  limitMs: number;
}

/**
 * How long processes may live on after bash. Clean-up takes at most 5 s, but nobody waits for a `wm get` whose shell was
 * killed: on a machine with too much to do it takes its time to start, and only then finds that nobody reads it.
 */
const GRACE_MS = 60_000;

export class LineRun {
  readonly #child: ChildProcess;
  readonly #began = performance.now();
  readonly #commands = new Set<string>();
  readonly ended: Promise<LineEnd>;
  /** Bash has ended. */
  over = false;
  #pids: readonly number[] = [];

  constructor(private readonly settings: LineSettings) {
    const { parts, env } = settings;
    // `$?` and PIPESTATUS are read in one assignment: each command resets both.
    const script = `set -o pipefail\n${parts.join(' \\\n  | ')}\nstatus="$? \${PIPESTATUS[*]}"\necho "$status" >&3\n`;
    this.#child = spawn('bash', ['-c', script], {
      env: { PATH: `${BIN}:${process.env.PATH ?? ''}`, HOME: '/nonexistent', ...runMark(), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.ended = this.#end();
  }

  /** Sends a signal to what is alive of the targets; which these were. */
  async signal(signal: NodeJS.Signals, targets: readonly Target[]): Promise<Target[]> {
    const parts = await this.#stages();
    this.#look();
    const sent: Target[] = [];
    for (const target of targets) {
      const pid = target === 'wm get' ? childrenOf(parts[0] ?? 0)[0] : parts[this.settings.partOf(target)];
      // Only a child of this bash (or of its first part): a number may belong to somebody else by now.
      if (pid === undefined || this.over || stateOf(pid) === 'Z') continue;
      const parent = target === 'wm get' ? parts[0] : this.#child.pid;
      if (parentOf(pid) !== parent) continue;
      process.kill(pid, signal);
      sent.push(target);
    }
    return sent;
  }

  /** The parts' processes, in their order: bash makes them one after the other. */
  async #stages(): Promise<readonly number[]> {
    while (this.#pids.length < this.settings.parts.length && !this.over) {
      const found = childrenOf(this.#child.pid ?? 0);
      if (found.length >= this.settings.parts.length) this.#pids = found;
      else await sleep(3);
    }
    return this.#pids;
  }

  async #end(): Promise<LineEnd> {
    const texts = ['', '', ''];
    const { stdout, stderr, stdio } = this.#child;
    [stdout, stderr, stdio[3]].forEach((stream, at) =>
      (stream as NodeJS.ReadableStream).on('data', (chunk) => (texts[at] += String(chunk))),
    );
    void this.#stages().then(() => this.#look());
    const session = this.#child.pid ?? 0;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#look();
      killAll(session);
    }, this.settings.limitMs);
    await once(this.#child, 'exit');
    clearTimeout(timer);
    this.over = true;
    const ms = performance.now() - this.#began;
    const left = await leftBehind(session);
    killAll(session);
    for (const stream of [stdout, stderr, stdio[3]]) {
      const readable = stream as NodeJS.ReadableStream & { closed: boolean };
      if (!readable.closed) await once(readable, 'close');
    }
    const [out = '', err = '', status = ''] = texts;
    const [code = -1, ...parts] = status.trim().split(' ').map(Number);
    return { code, parts, stdout: out, stderr: err, ms, late, left, commands: [...this.#commands] };
  }

  /** Notes the command lines of everything that runs, for the search for secrets. */
  #look(): void {
    for (const pid of this.#pids) {
      for (const each of [pid, ...childrenOf(pid)])
        this.#commands.add(read(`/proc/${each}/cmdline`).replaceAll('\0', ' '));
    }
  }
}

async function leftBehind(session: number): Promise<string[]> {
  const deadline = Date.now() + GRACE_MS;
  for (;;) {
    const left = leftovers('none', session);
    if (left.length === 0 || Date.now() > deadline) return left.map(({ command }) => command);
    await sleep(100);
  }
}

function killAll(session: number): void {
  for (const { pid } of leftovers('none', session)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
}

/** State and parent come after the name in parentheses. */
function statOf(pid: number): string[] {
  const stat = read(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const stateOf = (pid: number): string | undefined => statOf(pid)[0];
const parentOf = (pid: number): number => Number(statOf(pid)[1]);

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The status of a process that died by a signal, as a shell gives it. */
export const statusOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];
