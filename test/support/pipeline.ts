/** Runs shell lines in a real bash, with `pipefail`, and tells how every stage ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { runMark } from './leftover.js';
import { BIN } from './program.js';

export interface PipelineEnd {
  line: string;
  /** Status of the pipeline under `pipefail`; -1 when the shell itself was killed. */
  code: number;
  /** Status of each stage, in order. */
  stages: readonly number[];
  stdout: string;
  stderr: string;
}

export interface PipelineOptions {
  env: Readonly<Record<string, string>>;
  cwd?: string;
  /** Milliseconds after which the whole pipeline is killed and the run fails. */
  limitMs?: number;
  /** Told the process id of the shell; the stages are its children. */
  onStarted?: (pid: number) => void;
}

/** File descriptor on which bash reports the statuses of the stages. */
const STATUS_FD = 3;

/** Runs one pipeline. Never rejects for its status; rejects when it does not end in time. */
export async function pipeline(
  line: string,
  { env, cwd, limitMs = 120_000, onStarted }: PipelineOptions,
): Promise<PipelineEnd> {
  // `$?` and PIPESTATUS are read in one assignment: each command resets both.
  const script = `set -o pipefail\n${line}\nstages="$? \${PIPESTATUS[*]}"\necho "$stages" >&${STATUS_FD}\n`;
  const child = spawn('bash', ['-c', script], {
    env: { PATH: `${BIN}:${process.env.PATH ?? ''}`, HOME: '/nonexistent', ...runMark(), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (child.pid !== undefined) onStarted?.(child.pid);
  const texts = ['', '', ''];
  [child.stdout, child.stderr, child.stdio[STATUS_FD]].forEach((stream, at) =>
    (stream as NodeJS.ReadableStream).on('data', (chunk) => (texts[at] += String(chunk))),
  );
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, limitMs);
  await once(child, 'close');
  clearTimeout(timer);
  const [stdout = '', stderr = '', status = ''] = texts;
  if (late) throw new Error(`${line}\ndid not end within ${limitMs} ms\nstderr: ${stderr}`);
  // A shell that was killed itself reports nothing.
  const [code = -1, ...stages] = (status.match(/\d+/g) ?? []).map(Number);
  return { line, code, stages, stdout, stderr };
}

/** Throws with the line, every status and stderr unless the pipeline ended with `code`. */
export function demandStatus(end: PipelineEnd, code = 0): PipelineEnd {
  if (end.code === code) return end;
  throw new Error(
    `${end.line}\nended with ${end.code} (${end.stages.join(' ')}), expected ${code}\nstderr: ${end.stderr}`,
  );
}
