/** `wm pending` and `wm loaded`: what is stored and not in the warehouse, and saying that it is. */
import type { Command } from '../../cli/command.js';
import { parseCount } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { receiptLine } from '../../receipt.js';
import { writeStdout } from '../../sink/stdout.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, aligned, cell, oneTable, printRecord, readable } from './output.js';

export const pending: Command = {
  summary: 'list receipts that are stored and not loaded',
  usage: 'TABLE [flags]',
  examples: ['wm pending shop.orders', 'wm pending shop.orders --json | rs-copy analytics.orders'],
  flags: WM_FLAGS,
  async run(invocation) {
    const table = oneTable(invocation, 'pending TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const total = { objects: 0, rows: 0, bytes: 0 };
    const rows: string[][] = [];
    for await (const { generation, receipts } of chain.pending()) {
      for (const receipt of receipts) {
        const seq = total.objects;
        total.objects += 1;
        total.rows += receipt.rows ?? 0;
        total.bytes += receipt.bytes;
        if (readable(invocation)) rows.push([String(generation), cell(receipt.rows), cell(receipt.bytes), receipt.url]);
        // One stream again, whatever runs the receipts are of: numbered from 0, with an end line that counts them.
        else await writeStdout(receiptLine({ ...receipt, seq, run_id: invocation.runId, generation }));
      }
    }
    if (readable(invocation))
      return await writeStdout(`${aligned(['generation', 'rows', 'bytes', 'url'], rows).join('\n')}\n`);
    const run_id = invocation.runId;
    await writeStdout(receiptLine({ type: 'end', status: 'complete', run_id, table, ...total, code: 0 }));
  },
};

export const loaded: Command = {
  summary: 'record that generations are in the warehouse (rs-copy does this itself)',
  usage: 'TABLE --generation N [flags]',
  examples: ['wm loaded shop.orders --generation 42'],
  flags: [...WM_FLAGS, { name: 'generation', value: 'N', help: 'the newest generation that is loaded' }],
  async run(invocation) {
    const { flags, runId } = invocation;
    const table = oneTable(invocation, 'loaded TABLE --generation N');
    const text = flags.text('generation');
    if (text === undefined) throw new Failure('usage', 'wm loaded needs --generation N');
    const through = parseCount(text, '--generation');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const generation = await chain.commitLoaded(through, { run_id: runId });
    const record = {
      table,
      loaded_generation: through,
      generation: generation ?? null,
      noop: generation === undefined,
    };
    await printRecord(invocation, record, () => [
      record.noop
        ? `${table}: nothing pending up to ${through}`
        : `${table}: loaded up to ${through} (generation ${generation})`,
    ]);
  },
};
