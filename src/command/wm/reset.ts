/** `wm reset`, `wm force-reset` and `wm restore`: backwards, by a person, and never by itself. */
import type { Command } from '../../cli/command.js';
import { parseCount } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { forceReset, reset, restore } from '../../watermark/moves.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { REASON_FLAG, WM_FLAGS, cell, handOf, oneTable, printRecord } from './output.js';

export const resetCommand: Command = {
  summary: 'start over from the beginning; the history stays',
  usage: 'TABLE [flags]',
  examples: ["wm reset shop.orders --reason 'the target was dropped'", 'wm restore shop.orders --generation 41'],
  flags: [...WM_FLAGS, REASON_FLAG],
  async run(invocation) {
    const table = oneTable(invocation, 'reset TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const { generation, from, to } = await reset(chain, handOf(invocation));
    await printRecord(invocation, { table, generation, from, to, noop: generation === null }, () => [
      generation === null
        ? `${table}: never extracted; nothing to reset`
        : `${table}: ${cell(from)} -> the start (generation ${generation})`,
    ]);
  },
};

export const forceResetCommand: Command = {
  summary: 'start over even when the chain cannot be read; moves it aside',
  usage: 'TABLE [flags]',
  examples: ["wm force-reset shop.orders --reason 'generation 42 is damaged'"],
  flags: [...WM_FLAGS, REASON_FLAG],
  async run(invocation) {
    const table = oneTable(invocation, 'force-reset TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const { generation, ...aside } = await forceReset(chain, handOf(invocation), invocation.signal);
    await printRecord(invocation, { table, generation, to: null, ...aside }, () => [
      `${table}: the start (generation ${generation}); ${aside.moved} older files are in ${aside.folder}`,
    ]);
  },
};

export const restoreCommand: Command = {
  summary: 'bring an earlier state back',
  usage: 'TABLE --generation N [flags]',
  examples: ['wm restore shop.orders --generation 41'],
  flags: [...WM_FLAGS, REASON_FLAG, { name: 'generation', value: 'N', help: 'the generation whose state comes back' }],
  async run(invocation) {
    const table = oneTable(invocation, 'restore TABLE --generation N');
    const text = invocation.flags.text('generation');
    if (text === undefined)
      throw new Failure('usage', 'wm restore needs --generation N', { hint: 'See `wm history`.' });
    const restored = parseCount(text, '--generation');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const { generation, from, to } = await restore(chain, restored, handOf(invocation));
    await printRecord(invocation, { table, generation, restored, from, to }, () => [
      `${table}: ${cell(to)} again, as in generation ${restored} (generation ${generation})`,
    ]);
  },
};
