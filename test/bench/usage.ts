/**
 * Loaded into a program with `node --import`: when the program ends, writes what it cost from its start to its end into
 * the file TABLEPIPE_BENCH_USAGE names.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const path = process.env.TABLEPIPE_BENCH_USAGE;
if (path === undefined) throw new Error('TABLEPIPE_BENCH_USAGE names no file');
process.on('exit', (code) => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  // The maxRSS of a process is at least what its parent had when it was started; the kernel's own peak is not.
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  const cost = {
    code,
    ms: performance.now(),
    cpuMs: (userCPUTime + systemCPUTime) / 1000,
    rssMiB: Number(peak) / 1024,
  };
  writeFileSync(path, JSON.stringify(cost));
});
