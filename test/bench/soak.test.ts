/** The soak in small: the sampler sees every stage, both sides are equal, and a program that grows is refused. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t from 'tap';
import { demandStatus } from '../support/pipeline.js';
import { connectSource, connectTarget } from '../support/servers.js';
import { memoryCurve } from './memory-curve.js';
import { BOUNDS, judge } from './memory-verdict.js';
import { STAGES, soak } from './soak-run.js';
import { type Sample, type StageSamples, sampleStages } from './stage-samples.js';

t.setTimeout(120_000);

t.test('200,000 rows: every stage is seen, within its bound; both sides equal; nothing left', async (t) => {
  const result = await soak({ rows: 200_000, splitSize: '1MiB', sampleMs: 50, say: () => {} });
  demandStatus(result.end);
  t.strictSame(
    result.stages.map(({ stage }) => stage),
    [...STAGES],
  );
  for (const { stage, samples, peakMiB } of result.stages) {
    t.ok(samples.length >= 10, `${stage}: ${samples.length} samples`);
    t.ok(peakMiB > 30 && peakMiB <= BOUNDS.rssMiB, `${stage}: ${peakMiB.toFixed(0)} MiB`);
    t.ok(samples.every(({ rssMiB, descriptors }) => rssMiB <= peakMiB && descriptors > 2));
  }
  t.equal(result.source.rows, '200000');
  t.strictSame(result.target, result.source);
  t.ok(result.objects > 1);
  const [mysql, pg] = [await connectSource(''), await connectTarget()];
  const [databases] = await mysql.query('SHOW DATABASES LIKE ?', [result.id]);
  t.same(databases, []);
  t.same((await pg.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [result.id])).rows, []);
  await mysql.end();
  await pg.end();
});

t.test('real programs: one that keeps what it allocates is refused, one that does not is not', async (t) => {
  const script = (again: string): string =>
    `const kept = [Buffer.alloc(20 << 20, 1)]; console.log('ready'); setInterval(() => { ${again} }, 40); setTimeout(() => process.exit(), 4000)`;
  const [growing, steady] = await Promise.all(
    ['kept.push(Buffer.alloc(1 << 20, 1))', 'kept[0].fill(2)'].map(async (again) => {
      // The shell stays: something comes after the program.
      const words = ['-c', '"$0" -e "$1"; true', process.execPath, script(again)];
      const shell = spawn('bash', words, { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(shell.stdout, 'data');
      const sampler = sampleStages(shell.pid ?? 0, ['node'], 50);
      await once(shell, 'close');
      const node = sampler.stop()[0] as StageSamples;
      // It has no input, so the little its threads read must not pass for the beginning of its work.
      const samples = node.samples.map((sample) => ({ ...sample, readMiB: sample.at }));
      return judge({ ...node, samples }, { ...BOUNDS, windowSeconds: 1 });
    }),
  );
  t.match(growing?.faults[0], /^grew from/);
  t.strictSame(steady?.faults, [], JSON.stringify(steady));
  t.ok((steady?.windows ?? 0) >= 3);
});

/** A sample a second. */
const curve = (seconds: number, of: (at: number) => Partial<Sample>): StageSamples => {
  const samples = Array.from({ length: seconds }, (_, at) => ({
    at,
    rssMiB: 100,
    descriptors: 20,
    readMiB: at,
    ...of(at),
  }));
  return { stage: 'made-up', samples, peakMiB: Math.max(...samples.map(({ rssMiB }) => rssMiB)) };
};

/** Ten seconds of start, a wait until its first input, a minute in which its buffers fill. */
const waiting = (until: number): StageSamples =>
  curve(600, (at) => ({
    rssMiB: at < until ? 70 : Math.min(150, 110 + at - until),
    readMiB: at < until ? Math.min(20, 2 * at) : at,
  }));

t.test('the verdict on made-up curves', (t) => {
  const cases: [string, StageSamples, RegExp | undefined][] = [
    ['flat', curve(600, () => ({})), undefined],
    ['noise', curve(600, (at) => ({ rssMiB: 100 + (at % 30) })), undefined],
    ['a slow start', curve(600, (at) => ({ rssMiB: Math.min(100, 50 + at * 4) })), undefined],
    ['a spike of seconds', curve(600, (at) => ({ rssMiB: at % 60 < 5 ? 190 : 100 })), undefined],
    ['falling', curve(600, (at) => ({ rssMiB: 180 - at / 10 })), undefined],
    ['a tenth more', curve(600, (at) => ({ rssMiB: at < 300 ? 100 : 109 })), undefined],
    ['a leak of 2 MiB a minute', curve(600, (at) => ({ rssMiB: 100 + at / 30 })), /grew from 103 to 119 MiB, \+16 %/],
    ['a step', curve(600, (at) => ({ rssMiB: at < 300 ? 100 : 112 })), /grew from 100 to 112/],
    ['growth only for one minute', curve(600, (at) => ({ rssMiB: at >= 240 && at < 300 ? 150 : 100 })), /to 150 MiB/],
    ['above the bound for a second', curve(600, (at) => ({ rssMiB: at === 77 ? 201 : 100 })), /took 201 MiB/],
    ['too short', curve(140, () => ({})), /less than three windows/],
    ['a last half minute counts', curve(155, (at) => ({ rssMiB: at < 120 ? 100 : 140 })), /grew/],
    ['no sample at all', { stage: 'gone', samples: [], peakMiB: 0 }, /less than three windows/],
    ['a first minute to warm up', curve(600, (at) => ({ rssMiB: at < 60 ? 50 : 100 })), undefined],
    ['a second minute of growth', curve(600, (at) => ({ rssMiB: at < 120 ? 50 : 100 })), /grew from 50 to 100/],
    ['a wait for the first input', waiting(100), undefined],
    ['too short after a wait', waiting(480), /less than three windows/],
    [
      'a wait in the middle hides nothing',
      curve(600, (at) => ({ rssMiB: at < 150 ? 100 : 150, readMiB: at < 300 ? 2 * at : Math.max(600, at + 280) })),
      /grew from 100 to 150/,
    ],
    ['descriptors that come and go', curve(600, (at) => ({ descriptors: 20 + (at % 4) })), undefined],
    [
      'descriptors that leak',
      curve(600, (at) => ({ descriptors: 20 + Math.floor(at / 60) })),
      /went from 21 to between 21 and 29/,
    ],
    ['descriptors that are lost', curve(600, (at) => ({ descriptors: at < 120 ? 20 : 10 })), /went from 20/],
  ];
  for (const [name, stage, says] of cases) {
    const { faults } = judge(stage);
    if (says) t.match(faults.join('; '), says, name);
    else t.strictSame(faults, [], name);
  }
  t.end();
});

t.test('the curve: a line a stage, axes with units, both schemes, small', (t) => {
  const stages = STAGES.map((stage, index) => ({
    ...curve(7_200, (at) => ({ rssMiB: 80 + index * 20 + (at % 7) })),
    stage,
  }));
  const svg = memoryCurve({ title: 'Memory <of> "each" stage', boundMiB: 200, stages });
  t.equal(svg.match(/<polyline /g)?.length, 5);
  for (const stage of STAGES) t.match(svg, `>${stage}</text>`);
  t.match(svg, /time, minutes.*resident memory, MiB/s);
  t.match(svg, '@media(prefers-color-scheme:dark)');
  t.match(svg, '200 MiB bound');
  t.match(svg, 'Memory &lt;of> &quot;each&quot; stage');
  t.notMatch(svg, /NaN|Infinity|undefined/);
  t.ok(svg.length < 30_000, `${svg.length} bytes`);
  t.notMatch(
    memoryCurve({ title: '', boundMiB: 200, stages: [{ stage: 'none', samples: [], peakMiB: 0 }] }),
    /NaN|Infinity/,
  );
  t.end();
});
