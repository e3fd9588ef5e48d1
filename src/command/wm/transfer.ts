/** `wm export` and `wm import`: a chain as lines, and back; and the watermark file of the system before this one. */
import { readFile } from 'node:fs/promises';
import type { Command, Invocation } from '../../cli/command.js';
import { Failure, fileFailure } from '../../errors.js';
import { writeStdout } from '../../sink/stdout.js';
import { stdinBytes } from '../../source/stdin.js';
import { backupLines, parseBackup, restoreBackup } from '../../watermark/backup.js';
import { takeOver } from '../../watermark/moves.js';
import { type OldDocument, oldDocument, positionOfOld } from '../../watermark/old-document.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, cell, oneTable, printRecord } from './output.js';

export const exported: Command = {
  summary: 'print the whole chain of a table as lines',
  usage: 'TABLE [flags] > FILE',
  examples: ['wm export shop.orders > shop.orders.ndjson'],
  flags: WM_FLAGS,
  async run(invocation) {
    const table = oneTable(invocation, 'export TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    if (!(await chain.tail())) throw new Failure('no-input', `${table} has no chain in ${chain.store.url}`);
    for await (const line of backupLines(chain)) await writeStdout(line);
  },
};

export const imported: Command = {
  summary: 'bring back what `wm export` printed, or take over an old watermark file',
  usage: 'TABLE [FILE] [flags]',
  examples: ['wm import shop.orders shop.orders.ndjson', 'wm import shop.orders < old-watermark.json'],
  flags: WM_FLAGS,
  async run(invocation) {
    const [table, file, ...more] = invocation.operands;
    if (table === undefined || more.length > 0)
      throw new Failure('usage', 'wm import needs a table, and perhaps a file');
    const text = await inputText(file, invocation.signal);
    const old = oldDocument(text);
    return old ? bringOver(invocation, table, old) : bringBack(invocation, table, text);
  },
};

/** Largest import, in bytes: it is checked as a whole before anything is written. */
const IMPORT_BYTES = 256 << 20;

async function inputText(file: string | undefined, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  if (file !== undefined && file !== '-') {
    chunks.push(
      await readFile(file).catch((error: unknown) => {
        throw fileFailure(error, 'reading', file);
      }),
    );
  } else {
    for await (const chunk of stdinBytes('the output of wm export')(signal)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > IMPORT_BYTES) throw new Failure('data', `the import is larger than ${IMPORT_BYTES} bytes`);
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function bringBack(invocation: Invocation, table: string, text: string): Promise<void> {
  const backup = parseBackup(text);
  if (backup.table !== table) throw new Failure('data', `the backup is of ${backup.table}, not ${table}`);
  const chain = openTableChain(await openStore(invocation), table, invocation);
  const created = await restoreBackup(chain, backup, invocation.signal);
  const generation = backup.files.at(-1)?.generation ?? 0;
  await printRecord(invocation, { table, generation, created, noop: created === 0 }, () => [
    `${table}: generation ${generation}; ${created} files created`,
  ]);
}

async function bringOver(invocation: Invocation, table: string, old: OldDocument): Promise<void> {
  if (old.table_name !== undefined && old.table_name !== table) {
    throw new Failure('data', `the watermark file is of ${old.table_name}, not ${table}`);
  }
  const to = positionOfOld(old);
  const chain = openTableChain(await openStore(invocation), table, invocation);
  const { generation } = await takeOver(chain, to, invocation.runId);
  const noop = generation === null;
  await printRecord(invocation, { table, generation, from: null, to, noop }, () => [
    noop ? `${table}: ${cell(to)} already` : `${table}: ${cell(to)} (generation ${generation})`,
  ]);
}
