/** `wm history` and `wm diff`: what happened to a table's watermark. */
import type { Command } from '../../cli/command.js';
import { parseCount } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { writeStdout } from '../../sink/stdout.js';
import type { Chain } from '../../watermark/chain.js';
import { watermarkDocument } from '../../watermark/document.js';
import { totalsOf } from '../../watermark/state.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, aligned, cell, oneTable, printRecord, readable } from './output.js';

const HEAD = [
  'generation',
  'kind',
  'written_at',
  'run_id',
  'files',
  'rows',
  'from',
  'to',
  'about',
  'reason',
  'written_by',
];

export const history: Command = {
  summary: 'list the generations of a table, newest first',
  usage: 'TABLE [flags]',
  examples: ['wm history shop.orders', 'wm history shop.orders --limit 1000 --json'],
  flags: [...WM_FLAGS, { name: 'limit', value: 'N', default: '50', help: 'most generations listed' }],
  async run(invocation) {
    const table = oneTable(invocation, 'history TABLE');
    const limit = parseCount(invocation.flags.text('limit') ?? '50', '--limit');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const newest = (await chain.tail())?.generation ?? 0;
    if (newest === 0) invocation.words.note(`${table} has no chain in ${chain.store.url}`);
    const rows: string[][] = [];
    for (let at = newest; at >= Math.max(1, newest - limit + 1); at -= 1) {
      const record = await event(chain, at);
      if (!record) break;
      if (readable(invocation)) rows.push(HEAD.map((name) => cell(record[name])));
      else await writeStdout(`${JSON.stringify(record)}\n`);
    }
    if (readable(invocation)) await writeStdout(`${aligned(HEAD, rows).join('\n')}\n`);
  },
};

/** One line of history; undefined where older generations were pruned. One that cannot be read says so. */
async function event(chain: Chain, generation: number): Promise<Record<string, unknown> | undefined> {
  try {
    const doc = (await chain.find(generation))?.doc;
    if (!doc) return undefined;
    const { files, rows } = totalsOf(doc.receipts);
    const { kind, written_at, run_id, from, to, about, reason, written_by } = doc;
    return { generation, kind, written_at, run_id, files, rows, from, to, about, reason, written_by };
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'data') throw error;
    return { generation, kind: 'unreadable', reason: error.message };
  }
}

export const diff: Command = {
  summary: 'show what changed between two generations',
  usage: 'TABLE A B [flags]',
  examples: ['wm diff shop.orders 41 42'],
  flags: WM_FLAGS,
  async run(invocation) {
    const [table, ...numbers] = invocation.operands;
    if (table === undefined || numbers.length !== 2)
      throw new Failure('usage', 'wm diff needs a table and two generations');
    const [a = 0, b = 0] = numbers.map((text) => parseCount(text, 'generation'));
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const [before, after] = [await chain.generation(a), await chain.generation(b)];
    const [left, right] = [watermarkDocument(table, before.doc), watermarkDocument(table, after.doc)];
    const names = Object.keys(right).filter((name) => JSON.stringify(left[name]) !== JSON.stringify(right[name]));
    const changes = Object.fromEntries(names.map((name) => [name, { from: left[name], to: right[name] }]));
    await printRecord(invocation, { table, from: a, to: b, changes }, () =>
      names.length === 0
        ? [`${table}: no difference`]
        : aligned(
            ['field', String(a), String(b)],
            names.map((name) => [name, cell(left[name]), cell(right[name])]),
          ),
    );
  },
};
