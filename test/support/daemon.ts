/** One server process: started, waited for, killed, stopped. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { openSync, closeSync, readFileSync, statSync } from 'node:fs';
import type { Account } from './account.js';

export interface DaemonPlan {
  /** For people, in messages. */
  name: string;
  command: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd: string;
  /** Both of its streams are appended here. */
  log: string;
  /** Asked every 20 ms until it says yes; `logged` are the bytes this start has added to `log`. */
  ready: (logged: string) => boolean | Promise<boolean>;
  readyMs?: number;
  /** What asks it to end in good order. */
  stopSignal?: NodeJS.Signals;
  account?: Account | undefined;
  /** Lives on when this process ends; otherwise the kernel kills it with this process, however that dies. */
  outlives?: boolean;
}

export interface Daemon {
  readonly pid: number;
  /** Asks it to end, waits, and kills it after `patienceMs`. */
  stop(patienceMs?: number): Promise<void>;
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
}

/** Starts the process and waits until it is ready. On failure the process is gone and the error holds the end of its log. */
export async function startDaemon(plan: DaemonPlan): Promise<Daemon> {
  const start = sizeOf(plan.log);
  const log = openSync(plan.log, 'a');
  const [file = '', ...args] = [...(plan.outlives ? [] : diesWithParent()), ...plan.command];
  const child = spawn(file, args, {
    cwd: plan.cwd,
    env: plan.env ?? { PATH: process.env.PATH },
    stdio: ['ignore', log, log],
    detached: true,
    ...plan.account,
  });
  closeSync(log);
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const daemon: Daemon = {
    pid: child.pid ?? 0,
    stop: (patienceMs = 20_000) => end(child, gone, plan.stopSignal ?? 'SIGTERM', patienceMs),
    kill: () => end(child, gone, 'SIGKILL', 0),
  };
  const logged = (): string => readFileSync(plan.log).subarray(start).toString();
  try {
    await untilReady(plan, child, logged);
  } catch (error) {
    await daemon.kill();
    throw error;
  }
  if (plan.outlives) child.unref();
  return daemon;
}

async function untilReady(plan: DaemonPlan, child: ChildProcess, logged: () => string): Promise<void> {
  let failed: Error | undefined;
  child.once('error', (error) => (failed = error));
  const deadline = Date.now() + (plan.readyMs ?? 60_000);
  while (!(await plan.ready(logged()))) {
    const ended = child.exitCode ?? child.signalCode ?? failed?.message;
    const late = Date.now() > deadline ? 'was not ready in time' : undefined;
    if (ended !== undefined || late) {
      const tail = logged().trimEnd().split('\n').slice(-15).join('\n');
      throw new Error(
        `${plan.name} ${late ?? `ended with ${ended} before it was ready`}\n${plan.command.join(' ')}\n${tail}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function end(
  child: ChildProcess,
  gone: Promise<void>,
  signal: NodeJS.Signals,
  patienceMs: number,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await gone;
  clearTimeout(timer);
  killGroup(child.pid);
}

/** A child that the server forked in its last moment would go on holding the listening socket (seen with sshd). */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // Nobody is left, which is the usual case.
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

let prefix: readonly string[] | undefined;

/** util-linux' setpriv asks the kernel to kill the process when its parent dies, which no handler of ours can promise. */
function diesWithParent(): readonly string[] {
  if (prefix) return prefix;
  try {
    execFileSync('setpriv', ['--pdeathsig', 'KILL', 'true'], { stdio: 'ignore' });
    prefix = ['setpriv', '--pdeathsig', 'KILL'];
  } catch {
    prefix = [];
  }
  return prefix;
}
