/** Runs one of our programs as a user would: a process of its own, and an environment that holds what a test gives it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runMark } from './leftover.js';

/** The folder with the programs. */
export const BIN = fileURLToPath(new URL('../../../bin/', import.meta.url));

export interface Ended {
  command: string;
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

export interface Surroundings {
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  stdin?: string | Uint8Array;
}

/** Starts a program; its standard streams are pipes. */
export function start(program: string, words: readonly string[], { env = {}, cwd }: Surroundings = {}): ChildProcess {
  return spawn(process.execPath, [`${BIN}${program}`, ...words], {
    env: { PATH: `${BIN}:${process.env.PATH ?? ''}`, ...runMark(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
}

/** Runs a program to its end. */
export async function run(program: string, words: readonly string[], around: Surroundings = {}): Promise<Ended> {
  const child = start(program, words, around);
  const ended = collected(child, `${program} ${words.join(' ')}`);
  // A program that fails early does not read its input to the end.
  child.stdin?.on('error', () => {});
  child.stdin?.end(around.stdin ?? '');
  return ended;
}

/** What a started program says, and how it ends. */
export async function collected(child: ChildProcess, command: string): Promise<Ended> {
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += String(chunk)));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { command, code, signal, stdout: Buffer.concat(stdout), stderr };
}

/** Throws with command, status and both streams unless the program ended with `code`. */
export function demandCode(ended: Ended, code = 0): Ended {
  if (ended.code === code) return ended;
  const { command, signal, stdout, stderr } = ended;
  throw new Error(
    `${command}\nended with ${ended.code ?? signal}, expected ${code}\nstdout: ${stdout.subarray(0, 2_000).toString()}\nstderr: ${stderr}`,
  );
}
