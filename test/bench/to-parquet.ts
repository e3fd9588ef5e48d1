/**
 * `make bench-files`, first half: Arrow files through `to-parquet` on one core, against parquet-wasm fed with the same
 * messages from memory in a process of its own, alternating. Two sizes tell the start of a process from what a row
 * costs. Prints a table for RESULTS.md; needs 1.9 GB in the temporary folder.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { batchBytes, endBytes, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { orderPosition, ordersBatch, ordersEnd, ordersSchema } from '../fixture/orders-arrow.js';

const ROWS = 2_000_000;
const BATCH_ROWS = 20_000;
/** The larger table is the smaller one so many times. */
const TIMES = 5;
const ROUNDS = 3;

const program = fileURLToPath(new URL('../../../bin/to-parquet', import.meta.url));
const bare = fileURLToPath(new URL('./bare-encoder.js', import.meta.url));
const usage = new URL('./usage.js', import.meta.url).href;

/** CPU seconds, user and system, are what other work on the machine hardly changes. */
interface Cost {
  cpuS: number;
  rssMiB: number;
}

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const small = join(folder, 'small.arrow');
const large = join(folder, 'large.arrow');

/** Runs a program on one core from its start to its end. */
async function cost(words: readonly string[], input: string): Promise<Cost> {
  const [stdin, stdout] = [openSync(input, 'r'), openSync('/dev/null', 'w')];
  const report = join(folder, 'usage.json');
  const pinned = ['-c', '0', process.execPath, '--import', usage, ...words];
  const env = { ...process.env, TABLEPIPE_BENCH_USAGE: report };
  const child = spawn('taskset', pinned, { stdio: [stdin, stdout, 'inherit'], env });
  const [code] = (await once(child, 'close')) as [number];
  closeSync(stdin);
  closeSync(stdout);
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`);
  const { cpuMs, rssMiB } = JSON.parse(readFileSync(report, 'utf8')) as { cpuMs: number; rssMiB: number };
  return { cpuS: cpuMs / 1000, rssMiB };
}

function writeTables(): void {
  const files = [openSync(small, 'w'), openSync(large, 'w')];
  const parts = [schemaBytes(ordersSchema())];
  for (let at = 0; at < ROWS; at += BATCH_ROWS) parts.push(batchBytes(ordersBatch(at + 1, BATCH_ROWS)));
  const [schema, ...batches] = parts as [Uint8Array, ...Uint8Array[]];
  for (const [index, file] of files.entries()) {
    const times = index === 0 ? 1 : TIMES;
    writeSync(file, schema);
    for (let time = 0; time < times; time += 1) for (const batch of batches) writeSync(file, batch);
    writeSync(file, endBytes(ordersEnd(ROWS * times, { to: orderPosition(ROWS) })));
    closeSync(file);
  }
}

/** The best of the rounds, in which the two alternate. */
async function compare(path: string, times: number): Promise<{ floor: Cost; ours: Cost }> {
  const [floors, ours]: [Cost[], Cost[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    floors.push(await cost([bare, small, String(times)], small));
    ours.push(await cost([program], path));
  }
  const best = (costs: readonly Cost[]): Cost => costs.toSorted((a, b) => a.cpuS - b.cpuS)[0] as Cost;
  return { floor: best(floors), ours: best(ours) };
}

function line(what: string, rows: number, cpuS: number, floorS: number, rssMiB?: number): string {
  const cells = [
    cpuS.toFixed(2),
    String(Math.round(rows / cpuS)),
    (cpuS / floorS).toFixed(2),
    rssMiB?.toFixed(0) ?? '',
  ];
  return `| ${[`${rows} rows`, what, ...cells].join(' | ')} |`;
}

try {
  writeTables();
  const two = await compare(small, 1);
  const ten = await compare(large, TIMES);
  const more = ROWS * (TIMES - 1);
  const [theirs, ours] = [ten.floor.cpuS - two.floor.cpuS, ten.ours.cpuS - two.ours.cpuS];
  const lines = [
    `13 columns, snappy, one core, best of ${ROUNDS}, start of the process included; target 1000000 rows per CPU s, ratio 1.15:`,
    '',
    '| table | | CPU s | rows per CPU s | ratio | peak RSS MiB |',
    '|---|---|---|---|---|---|',
    line('parquet-wasm fed from memory', ROWS, two.floor.cpuS, two.floor.cpuS),
    line('to-parquet < FILE', ROWS, two.ours.cpuS, two.floor.cpuS, two.ours.rssMiB),
    line('parquet-wasm fed from memory', ROWS * TIMES, ten.floor.cpuS, ten.floor.cpuS),
    line('to-parquet < FILE', ROWS * TIMES, ten.ours.cpuS, ten.floor.cpuS, ten.ours.rssMiB),
    line('parquet-wasm: these more', more, theirs, theirs),
    line('to-parquet: these more', more, ours, theirs),
  ];
  writeSync(1, `${lines.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
