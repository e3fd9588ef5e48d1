/**
 * `make bench-files`, first half: an Arrow file through `to-parquet` on one core, against parquet-wasm fed with the
 * same messages from memory in a process of its own, alternating. Prints a table for RESULTS.md.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { batchBytes, endBytes, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { ordersBatch, ordersEnd, ordersSchema } from '../fixture/orders-arrow.js';

const ROWS = 2_000_000;
const BATCH_ROWS = 20_000;
const ROUNDS = 3;

const program = fileURLToPath(new URL('../../../bin/to-parquet', import.meta.url));
const bare = fileURLToPath(new URL('./bare-encoder.js', import.meta.url));

/** CPU seconds, user and system, on one core: what other work on the machine hardly changes. */
async function seconds(words: readonly string[], input: string): Promise<number> {
  const [stdin, stdout] = [openSync(input, 'r'), openSync('/dev/null', 'w')];
  const timed = ['-c', 'TIMEFORMAT="%U %S"; time taskset -c 0 "$@"', 'bench', process.execPath, ...words];
  const child = spawn('bash', timed, { stdio: [stdin, stdout, 'pipe'] });
  let said = '';
  child.stderr?.on('data', (chunk) => (said += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  closeSync(stdin);
  closeSync(stdout);
  if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}`);
  const [user = 0, system = 0] = said.trim().split('\n').at(-1)?.split(' ').map(Number) ?? [];
  return user + system;
}

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
try {
  const path = join(folder, 'orders.arrow');
  const file = openSync(path, 'w');
  writeSync(file, schemaBytes(ordersSchema()));
  for (let at = 0; at < ROWS; at += BATCH_ROWS) writeSync(file, batchBytes(ordersBatch(at + 1, BATCH_ROWS)));
  writeSync(file, endBytes(ordersEnd(ROWS)));
  closeSync(file);
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    theirs.push(await seconds([bare, path], path));
    ours.push(await seconds([program], path));
  }
  const megabytes = (readFileSync(path).length / 1e6).toFixed(0);
  const [best, floor] = [Math.min(...ours), Math.min(...theirs)];
  const lines = [
    `to-parquet, ${ROWS} rows x 13 columns, ${megabytes} MB of Arrow, snappy, one core, best of ${ROUNDS}, start of the process included:`,
    '',
    '| | CPU s | rows per CPU s | ratio |',
    '|---|---|---|---|',
    `| parquet-wasm fed from memory | ${floor.toFixed(2)} | ${Math.round(ROWS / floor)} | 1 |`,
    `| to-parquet < FILE | ${best.toFixed(2)} | ${Math.round(ROWS / best)} | ${(best / floor).toFixed(2)} (target 1.15) |`,
  ];
  writeSync(1, `${lines.join('\n')}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
