/** Runs the real `wm`, in an environment that holds nothing but what a test gives it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const WM = fileURLToPath(new URL('../../../bin/wm', import.meta.url));

export interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export async function wm(words: readonly string[], env: Record<string, string>, input?: string): Promise<Ended> {
  const child = spawn(process.execPath, [WM, ...words], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  child.stdin.on('error', () => {
    // A program that was killed does not read its input to the end.
  });
  child.stdin.end(input ?? '');
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}
