/** Memory and descriptors of the stages of a running shell line, read from /proc. Linux only. */
import { readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';

const KIB = 1024;

export interface Sample {
  /** Seconds since the sampler was started. */
  at: number;
  /** VmRSS. */
  rssMiB: number;
  /** Open file descriptors. */
  descriptors: number;
  /** Everything it has read since it was started: its own code, files, pipes, sockets. */
  readMiB: number;
}

export interface StageSamples {
  stage: string;
  samples: Sample[];
  /** VmHWM: the most there ever was, also between two samples. */
  peakMiB: number;
}

export interface Sampler {
  /** Takes the last look; one entry for each stage that was seen, in the order of `stages`. */
  stop(): StageSamples[];
}

/**
 * Looks at the children of process `parent` every `everyMs` until it is stopped. A child is a stage when the program
 * it runs, or the script its interpreter runs, is named as one of `stages`; a later process of that name is left out.
 */
export function sampleStages(parent: number, stages: readonly string[], everyMs = 1_000): Sampler {
  const started = performance.now();
  const found = new Map<string, StageSamples & { pid: number }>();
  const look = (): void => {
    const at = (performance.now() - started) / 1000;
    for (const pid of childrenOf(parent)) {
      const stage = stageOf(pid, stages);
      if (stage === undefined) continue;
      const known = found.get(stage) ?? { stage, pid, samples: [], peakMiB: 0 };
      found.set(stage, known);
      const now = known.pid === pid ? readingOf(pid) : undefined;
      if (!now) continue;
      const { peakMiB, ...sample } = now;
      known.samples.push({ at, ...sample });
      known.peakMiB = Math.max(known.peakMiB, peakMiB);
    }
  };
  const timer = setInterval(look, everyMs);
  return {
    stop() {
      clearInterval(timer);
      look();
      return stages.flatMap((stage) => found.get(stage) ?? []);
    },
  };
}

function childrenOf(pid: number): number[] {
  return (text(`/proc/${pid}/task/${pid}/children`).match(/\d+/g) ?? []).map(Number);
}

/** A shell that has not yet become its program is no stage. */
function stageOf(pid: number, stages: readonly string[]): string | undefined {
  const [program = '', script = ''] = text(`/proc/${pid}/cmdline`).split('\0');
  return [basename(program), basename(script)].find((name) => stages.includes(name));
}

/** Undefined when the process is gone or a zombie. */
function readingOf(pid: number): (Omit<Sample, 'at'> & { peakMiB: number }) | undefined {
  const status = text(`/proc/${pid}/status`);
  const [rss, peak] = ['VmRSS', 'VmHWM'].map((name) => new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  if (rss === undefined || peak === undefined) return undefined;
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    // It has ended since its status was read.
    if (descriptors === 0) return undefined;
    const read = /^rchar: (\d+)/m.exec(text(`/proc/${pid}/io`))?.[1] ?? '0';
    return { rssMiB: Number(rss) / KIB, peakMiB: Number(peak) / KIB, descriptors, readMiB: Number(read) / KIB / KIB };
  } catch {
    return undefined;
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}
