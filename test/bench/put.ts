/**
 * s3-put against a bare loop of UploadPart on the same store: 1 GiB of random bytes, parts of 16 MiB, four at once,
 * one round after the other in turn. `make bench-put`, and part of `make bench-files`; wants the
 * TABLEPIPE_TEST_S3_* variables, or those of `make up`.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { BIN } from '../support/program.js';
import { MIB, S3Scratch } from '../support/s3-scratch.js';

const BYTES = Number(process.argv[2] ?? 1024) * MIB;
const PART = 16 * MIB;
const AT_ONCE = 4;
const ROUNDS = 3;
const block = randomBytes(PART);
const s3 = await S3Scratch.open(60_000);
const { AWS_ENDPOINT_URL: _, ...rest } = s3.env;
const env = { ...rest, AWS_ENDPOINT_URL: process.env.TABLEPIPE_TEST_S3_ENDPOINT ?? '' };

/** The least that can be done: parts that are in memory already, four requests at once, no checksum. */
async function bare(): Promise<number> {
  const at = { Bucket: s3.bucket, Key: s3.key() };
  const started = performance.now();
  const { UploadId } = await s3.direct.send(new CreateMultipartUploadCommand(at));
  const parts: { PartNumber: number; ETag: string | undefined }[] = [];
  let next = 1;
  const lane = async (): Promise<void> => {
    for (let PartNumber = next++; PartNumber <= BYTES / PART; PartNumber = next++) {
      const { ETag } = await s3.direct.send(new UploadPartCommand({ ...at, UploadId, PartNumber, Body: block }));
      parts.push({ PartNumber, ETag });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  parts.sort((a, b) => a.PartNumber - b.PartNumber);
  await s3.direct.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: parts } }));
  const seconds = (performance.now() - started) / 1000;
  await s3.direct.send(new DeleteObjectCommand(at));
  return seconds;
}

/** The program, from its start to its end, fed through a pipe; with the most memory it had. */
async function ours(): Promise<{ seconds: number; rssMiB: number }> {
  const Key = s3.key();
  const words = [`s3://${s3.bucket}/${Key}`, '--allow-unterminated'];
  const started = performance.now();
  const program = [process.execPath, `${BIN}s3-put`, ...words];
  const child = spawn('/usr/bin/env', ['bash', '--norc', '-c', RSS, 'rss', ...program], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  for (let sent = 0; sent < BYTES; sent += PART) {
    if (!child.stdin.write(block)) await new Promise((resolve) => child.stdin.once('drain', resolve));
  }
  child.stdin.end();
  await new Promise((resolve) => child.once('close', resolve));
  const seconds = (performance.now() - started) / 1000;
  if (!text.includes('"complete"')) throw new Error(`s3-put did not complete: ${text}`);
  await s3.direct.send(new DeleteObjectCommand({ Bucket: s3.bucket, Key }));
  return { seconds, rssMiB: Math.round(Number(/rss=([0-9]+)/.exec(text)?.[1] ?? 0) / 1024) };
}

/** Runs its arguments and samples their resident memory; the peak is the last line of stdout. */
const RSS = `"$@" <&0 & pid=$!
max=0
while [ -r /proc/$pid/status ]; do
  now=$(awk '/VmHWM/ {print $2}' /proc/$pid/status 2>/dev/null || true)
  [ "\${now:-0}" -gt "$max" ] && max=$now
  sleep 0.1
done
wait $pid && echo "rss=$max"`;

const rounds: { bare: number; ours: number; rssMiB: number }[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const floor = await bare();
  const { seconds, rssMiB } = await ours();
  rounds.push({ bare: floor, ours: seconds, rssMiB });
  process.stdout.write(`bare ${floor.toFixed(2)} s, s3-put ${seconds.toFixed(2)} s, ${rssMiB} MiB\n`);
}
await s3.close();
const best = (of: (one: (typeof rounds)[number]) => number): number => Math.min(...rounds.map(of));
const ratio = best((one) => one.ours) / best((one) => one.bare);
const line = `| s3-put, ${BYTES / MIB} MiB, parts of 16 MiB, 4 at once | ${best((one) => one.bare).toFixed(2)} s | ${best((one) => one.ours).toFixed(2)} s | ${ratio.toFixed(2)} | ${Math.max(...rounds.map(({ rssMiB }) => rssMiB))} MiB |\n`;
process.stdout.write(line);
if (process.argv.includes('--record')) {
  const head = `\n## s3-put against a bare UploadPart loop (best of ${ROUNDS}, in turn)\n\n| what | bare loop | s3-put | ratio | peak RSS |\n|---|---|---|---|---|\n`;
  await appendFile(new URL('../../../test/bench/RESULTS.md', import.meta.url), head + line);
}
