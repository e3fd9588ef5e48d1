/** The most resident memory a program had: VmHWM of the kernel, which misses no moment between two looks. */
import { type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Watches a child until it ends; resolves to MiB. */
export async function peakMiB(child: ChildProcess): Promise<number> {
  let peak = 0;
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // It has ended.
    }
  };
  const timer = setInterval(look, 20);
  await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(timer);
  return Math.round(peak / 1024);
}
