/** Draws the memory of the stages over time as an SVG of a few kilobytes, legible on a light and on a dark page. */
import type { StageSamples } from './stage-samples.js';

const WIDTH = 760;
const HEIGHT = 340;
const PLOT = { left: 56, right: 150, top: 34, bottom: 44 };
/** Points of one line at most: what is between two of them is shown by its highest sample. */
const POINTS = 300;
/** One a stage; chosen to be told apart on white, on black and without red and green. */
const COLOURS = ['#d55e00', '#0072b2', '#009e73', '#b8860b', '#cc79a7'] as const;

export interface Curve {
  title: string;
  /** Drawn as a dashed line. */
  boundMiB: number;
  stages: readonly StageSamples[];
}

export function memoryCurve({ title, boundMiB, stages }: Curve): string {
  const seconds = Math.max(1, ...stages.flatMap(({ samples }) => samples.map(({ at }) => at)));
  const most = Math.max(boundMiB, ...stages.flatMap(({ samples }) => samples.map(({ rssMiB }) => rssMiB)));
  const topMiB = Math.ceil((most * 1.05) / 50) * 50;
  const x = (at: number): number => PLOT.left + (at / seconds) * (WIDTH - PLOT.left - PLOT.right);
  const y = (mib: number): number => HEIGHT - PLOT.bottom - (mib / topMiB) * (HEIGHT - PLOT.top - PLOT.bottom);
  const across = (mib: number, kind: string): string =>
    `<line class="${kind}" x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${y(mib).toFixed(1)}" y2="${y(mib).toFixed(1)}"/>`;
  const label = (left: number, top: number, anchor: string, words: string): string =>
    `<text x="${left.toFixed(1)}" y="${top.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
  const heights = Array.from({ length: topMiB / 50 + 1 }, (_, step) => step * 50);
  const grid = heights.map((mib) => across(mib, 'grid') + label(PLOT.left - 6, y(mib) + 4, 'end', String(mib)));
  const { step, unit, name } = timeAxis(seconds);
  const times = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, count) => count * step);
  const below = times.map((at) => label(x(at), HEIGHT - PLOT.bottom + 16, 'middle', String(at / unit)));
  const lines = stages.map(({ samples }, index) => {
    const points = thinned(samples).map(({ at, rssMiB }) => `${x(at).toFixed(1)},${y(rssMiB).toFixed(1)}`);
    return `<polyline stroke="${COLOURS[index % COLOURS.length]}" points="${points.join(' ')}"/>`;
  });
  const legend = stages.map(({ stage }, index) => {
    const top = PLOT.top + 14 + index * 20;
    const left = WIDTH - PLOT.right + 14;
    return `<line stroke="${COLOURS[index % COLOURS.length]}" stroke-width="3" x1="${left}" x2="${left + 18}" y1="${top}" y2="${top}"/>${label(left + 24, top + 4, 'start', stage)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escaped(title)}">
<style>${STYLE}</style>
${label(PLOT.left, 18, 'start', title)}
${grid.join('\n')}
${across(boundMiB, 'bound')}
${label(WIDTH - PLOT.right + 4, y(boundMiB) + 4, 'start', `${boundMiB} MiB bound`)}
${below.join('\n')}
${label((PLOT.left + WIDTH - PLOT.right) / 2, HEIGHT - 8, 'middle', `time, ${name}`)}
<text transform="translate(14 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">resident memory, MiB</text>
${lines.join('\n')}
${legend.join('\n')}
</svg>
`;
}

const STYLE = `text{font:12px system-ui,sans-serif;fill:#333}polyline{fill:none;stroke-width:1.5;stroke-linejoin:round}.grid{stroke:#8885;stroke-width:1}.bound{stroke:#888;stroke-width:1;stroke-dasharray:6 4}@media(prefers-color-scheme:dark){text{fill:#ccc}}`;

/** At most ten marks: the distance between two in seconds, and the unit they are written in. */
function timeAxis(seconds: number): { step: number; unit: number; name: string } {
  const [unit, name] = seconds >= 180 ? ([60, 'minutes'] as const) : ([1, 'seconds'] as const);
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((each) => seconds / unit / each <= 10) ?? 1_000;
  return { step: step * unit, unit, name };
}

function thinned(samples: StageSamples['samples']): StageSamples['samples'] {
  const group = Math.ceil(samples.length / POINTS);
  const thin: StageSamples['samples'] = [];
  for (let at = 0; at < samples.length; at += group) {
    thin.push(samples.slice(at, at + group).reduce((most, one) => (one.rssMiB > most.rssMiB ? one : most)));
  }
  return thin;
}

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
