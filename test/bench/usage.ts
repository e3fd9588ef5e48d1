/**
 * Loaded into a program with `node --import`: when the program ends, writes what it cost from its start to its end into
 * the file TABLEPIPE_BENCH_USAGE names.
 */
import { writeFileSync } from 'node:fs';

const path = process.env.TABLEPIPE_BENCH_USAGE;
if (path === undefined) throw new Error('TABLEPIPE_BENCH_USAGE names no file');
process.on('exit', (code) => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cost = { code, ms: performance.now(), cpuMs: (userCPUTime + systemCPUTime) / 1000, rssMiB: maxRSS / 1024 };
  writeFileSync(path, JSON.stringify(cost));
});
