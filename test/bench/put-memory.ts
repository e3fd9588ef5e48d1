/**
 * `make bench-put-memory`: whether s3-put keeps its memory. A tar of members of about 64 MiB comes in as to-parquet
 * sends them, one at a time with a pause after each, and the store becomes slow half way, so that all parts are in
 * flight. Memory is sampled each second and judged as in the soak. Wants the TABLEPIPE_TEST_S3_* variables.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { pack } from 'tar-stream';
import { BIN } from '../support/program.js';
import { MIB, S3Scratch } from '../support/s3-scratch.js';
import { endRecord } from '../support/tar-of-parquet.js';
import { BOUNDS, judge, percent } from './memory-verdict.js';
import { sampleStages } from './stage-samples.js';

const MINUTES = Number(process.argv[2] ?? 4.6);
const PAUSE_MS = 7_000;
/** How long each part waits in front of the store in the second half. */
const SLOW_MS = 4_000;
const block = randomBytes(MIB);

const s3 = await S3Scratch.open(60_000);
const child = spawn(process.execPath, [`${BIN}s3-put`, s3.url], { env: s3.env, stdio: ['pipe', 'pipe', 'inherit'] });
let receipts = '';
child.stdout.on('data', (chunk) => (receipts += String(chunk)));
const sampler = sampleStages(process.pid, ['s3-put']);
const closed = once(child, 'close');
await feed(child.stdin);
await closed;
const [stage] = sampler.stop();
if (!receipts.includes('"complete"') || !stage) throw new Error(`s3-put did not complete: ${receipts}`);
const { secondMiB, highestMiB, growth, peakMiB, faults } = judge(stage, {
  ...BOUNDS,
  // A slow store has a connection for each part in flight.
  descriptors: 4,
});
const minutes = Array.from({ length: Math.ceil(MINUTES) }, (_, minute) =>
  Math.max(0, ...stage.samples.filter(({ at }) => Math.floor(at / 60) === minute).map(({ rssMiB }) => rssMiB)),
);
process.stdout.write(
  `second minute ${secondMiB.toFixed(0)} MiB, highest later ${highestMiB.toFixed(0)} MiB (${percent(growth)}), peak ${peakMiB.toFixed(0)} MiB; ` +
    `highest of each minute ${minutes.map((mib) => mib.toFixed(0)).join(' ')}; ${faults.join('; ') || 'within bounds'}\n`,
);
await cleanUp();
if (faults.length > 0) process.exitCode = 1;

/** Members of 58 to 70 MiB, no two in a row of one size. */
async function feed(stdin: NonNullable<ChildProcess['stdin']>): Promise<void> {
  const tar = pack();
  tar.pipe(stdin);
  const started = performance.now();
  const minutes = (): number => (performance.now() - started) / 60_000;
  for (let count = 0; minutes() < MINUTES; count += 1) {
    if (minutes() > MINUTES / 2) s3.faults.arm({ operation: 'part', fault: { delayMs: SLOW_MS }, times: 6 });
    const blocks = 58 + ((count * 5) % 13);
    const size = blocks * MIB - count * 4_567;
    const entry = tar.entry({ name: `${count}.bin`, size });
    for (let sent = 0; sent < size; sent += block.length) {
      if (!entry.write(block.subarray(0, size - sent))) await once(entry, 'drain');
    }
    (entry as unknown as NodeJS.WritableStream).end();
    await sleep(PAUSE_MS);
  }
  tar.entry({ name: '_end.json' }, JSON.stringify(endRecord([])));
  tar.finalize();
}

async function cleanUp(): Promise<void> {
  const Objects = (await s3.keys()).map((Key) => ({ Key }));
  await s3.direct.send(new DeleteObjectsCommand({ Bucket: s3.bucket, Delete: { Objects } }));
  await s3.close();
}
