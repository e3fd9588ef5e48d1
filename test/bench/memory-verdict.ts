/**
 * Whether a stage has kept its memory and its descriptors. The life of a stage is cut into windows of a minute. Flat
 * means: no later window has a median more than a tenth above the median of the first one, in which the program
 * starts and its buffers fill. A last window that is less than half full is not looked at.
 */
import type { StageSamples } from './stage-samples.js';

export interface Bounds {
  windowSeconds: number;
  /** Highest median of a later window against the first one's. */
  growth: number;
  /** For the peak. */
  rssMiB: number;
  /** By how many the median of descriptors of a later window may differ from the first one's: a connection opened or closed. */
  descriptors: number;
}

export const BOUNDS: Bounds = { windowSeconds: 60, growth: 1.1, rssMiB: 200, descriptors: 2 };

export interface StageVerdict {
  stage: string;
  windows: number;
  firstMiB: number;
  /** Of the later windows. */
  highestMiB: number;
  growth: number;
  peakMiB: number;
  /** Medians of the windows, lowest and highest, and the most of any sample. */
  descriptors: { lowest: number; highest: number; most: number };
  /** What is wrong, in words; empty when nothing is. */
  faults: string[];
}

export function judge({ stage, samples, peakMiB }: StageSamples, bounds: Bounds = BOUNDS): StageVerdict {
  const windows = windowsOf(samples, bounds.windowSeconds);
  const [firstMiB = Number.NaN, ...later] = windows.map((some) => median(some.map(({ rssMiB }) => rssMiB)));
  const highestMiB = later.length > 0 ? Math.max(...later) : Number.NaN;
  const growth = highestMiB / firstMiB;
  const counts = windows.map((some) => median(some.map((sample) => sample.descriptors)));
  const descriptors = {
    lowest: counts.length > 0 ? Math.min(...counts) : Number.NaN,
    highest: counts.length > 0 ? Math.max(...counts) : Number.NaN,
    most: Math.max(...samples.map((sample) => sample.descriptors)),
  };
  const faults: string[] = [];
  if (later.length === 0)
    faults.push(`ran less than two windows of ${bounds.windowSeconds} s: nothing can be said about growth`);
  if (growth > bounds.growth)
    faults.push(`grew from ${firstMiB.toFixed(0)} to ${highestMiB.toFixed(0)} MiB, ${percent(growth)}`);
  if (peakMiB > bounds.rssMiB) faults.push(`took ${peakMiB.toFixed(0)} MiB, the bound is ${bounds.rssMiB}`);
  const drift = Math.max(...counts.slice(1).map((count) => Math.abs(count - (counts[0] ?? 0))), 0);
  if (drift > bounds.descriptors)
    faults.push(`descriptors went from ${counts[0]} to between ${descriptors.lowest} and ${descriptors.highest}`);
  return { stage, windows: windows.length, firstMiB, highestMiB, growth, peakMiB, descriptors, faults };
}

/** `+3 %` of a ratio of 1.03. */
export const percent = (ratio: number): string =>
  Number.isNaN(ratio) ? '–' : `${ratio < 1 ? '−' : '+'}${Math.abs((ratio - 1) * 100).toFixed(0)} %`;

function windowsOf(samples: StageSamples['samples'], seconds: number): StageSamples['samples'][] {
  const start = samples[0]?.at ?? 0;
  const windows: StageSamples['samples'][] = [];
  for (const sample of samples) (windows[Math.floor((sample.at - start) / seconds)] ??= []).push(sample);
  const last = windows.at(-1);
  const covered = last ? (last.at(-1)?.at ?? 0) - start - (windows.length - 1) * seconds : 0;
  // A machine that was asleep can leave a window without samples.
  return (covered < seconds / 2 ? windows.slice(0, -1) : windows).filter((some) => some !== undefined);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
