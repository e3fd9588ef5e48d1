/**
 * Whether a stage has kept its memory and its descriptors. Its work begins with its first input, and is cut into
 * minutes. The first one is for warming up: code is compiled, buffers are made. Flat means that no later minute has a
 * median more than a tenth above that of the second. A last minute that is less than half there is not looked at.
 */
import type { Sample, StageSamples } from './stage-samples.js';

export interface Bounds {
  windowSeconds: number;
  /** Highest median of a later window against the second one's. */
  growth: number;
  /** For the peak. */
  rssMiB: number;
  /** By how many the median of descriptors of a later window may differ from the second one's: a connection opened or closed. */
  descriptors: number;
}

export const BOUNDS: Bounds = { windowSeconds: 60, growth: 1.1, rssMiB: 200, descriptors: 2 };

export interface StageVerdict {
  stage: string;
  /** From its start to its first input, in seconds. */
  waited: number;
  windows: number;
  /** Median of the second window. */
  secondMiB: number;
  /** Highest median of the later ones. */
  highestMiB: number;
  growth: number;
  peakMiB: number;
  /** Medians of the windows from the second on, lowest and highest, and the most of any sample. */
  descriptors: { lowest: number; highest: number; most: number };
  /** What is wrong, in words; empty when nothing is. */
  faults: string[];
}

export function judge({ stage, samples, peakMiB }: StageSamples, bounds: Bounds = BOUNDS): StageVerdict {
  const begin = workBegins(samples);
  const windows = windowsOf(samples.slice(begin), bounds.windowSeconds);
  const [, ...settled] = windows;
  const [secondMiB = Number.NaN, ...later] = settled.map((some) => median(some.map(({ rssMiB }) => rssMiB)));
  const highestMiB = later.length > 0 ? Math.max(...later) : Number.NaN;
  const growth = highestMiB / secondMiB;
  const counts = settled.map((some) => median(some.map((sample) => sample.descriptors)));
  const descriptors = {
    lowest: counts.length > 0 ? Math.min(...counts) : Number.NaN,
    highest: counts.length > 0 ? Math.max(...counts) : Number.NaN,
    most: Math.max(...samples.map((sample) => sample.descriptors)),
  };
  const faults: string[] = [];
  if (later.length === 0)
    faults.push(`worked less than three windows of ${bounds.windowSeconds} s: nothing can be said about growth`);
  if (growth > bounds.growth)
    faults.push(`grew from ${secondMiB.toFixed(0)} to ${highestMiB.toFixed(0)} MiB, ${percent(growth)}`);
  if (peakMiB > bounds.rssMiB) faults.push(`took ${peakMiB.toFixed(0)} MiB, the bound is ${bounds.rssMiB}`);
  const drift = Math.max(...counts.slice(1).map((count) => Math.abs(count - (counts[0] ?? 0))), 0);
  if (drift > bounds.descriptors)
    faults.push(`descriptors went from ${counts[0]} to between ${descriptors.lowest} and ${descriptors.highest}`);
  const waited = (samples[begin]?.at ?? 0) - (samples[0]?.at ?? 0);
  return { stage, waited, windows: windows.length, secondMiB, highestMiB, growth, peakMiB, descriptors, faults };
}

/** `+3 %` of a ratio of 1.03. */
export const percent = (ratio: number): string =>
  Number.isNaN(ratio) ? '–' : `${ratio < 1 ? '−' : '+'}${Math.abs((ratio - 1) * 100).toFixed(0)} %`;

/** What a program reads while it starts, mostly its own code, is less than this. */
const START_MIB = 64;

/** So many samples in a row without input are a wait. Threads that wake each other read a few bytes; a receipt has 400. */
const STILL = 5;
const INPUT_MIB = 256 / 2 ** 20;

/** The sample with the first input: after the wait that follows the start, if there is one. */
function workBegins(samples: readonly Sample[]): number {
  const read = (from: number, to: number): number =>
    (samples[to]?.readMiB ?? Number.NaN) - (samples[from]?.readMiB ?? 0);
  const wait = samples.findIndex(({ readMiB }, at) => readMiB < START_MIB && read(at, at + STILL) < INPUT_MIB);
  const input = samples.findIndex((_, at) => at > wait && read(at - 1, at) >= INPUT_MIB);
  return wait < 0 || input < 0 ? 0 : input;
}

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
