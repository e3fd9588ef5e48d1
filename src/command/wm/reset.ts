/** `wm reset`, `wm force-reset` and `wm restore`: backwards, by a person, and never by itself. */
import type { Command, Invocation } from '../../cli/command.js';
import { parseCount } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { moveAside } from '../../watermark/aside.js';
import { linkOf } from '../../watermark/damage.js';
import { emptyState, foldReset, foldRestored, pendingAgain, totalsOf } from '../../watermark/state.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, cell, oneTable, printRecord } from './output.js';

const REASON = { name: 'reason', value: 'TEXT', help: 'kept in the history' };

function reasonOf({ flags }: Invocation): { reason?: string } {
  const reason = flags.text('reason');
  return reason === undefined ? {} : { reason };
}

export const reset: Command = {
  summary: 'start over from the beginning; the history stays',
  usage: 'reset TABLE [flags]',
  examples: ["wm reset shop.orders --reason 'the target was dropped'", 'wm restore shop.orders --generation 41'],
  flags: [...WM_FLAGS, REASON],
  async run(invocation) {
    const table = oneTable(invocation, 'reset TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const run_id = invocation.runId;
    let from: unknown = null;
    const link = await chain.commit(async (tail, next, at) => {
      const state = (await linkOf(tail, chain))?.doc.state;
      if (!state) return undefined;
      from = state.cursor;
      return { kind: 'reset', run_id, from: state.cursor, state: foldReset(state, next, at), ...reasonOf(invocation) };
    });
    const generation = link?.doc.generation ?? null;
    await printRecord(invocation, { table, generation, from, to: null, noop: !link }, () => [
      link
        ? `${table}: ${cell(from)} -> the start (generation ${generation})`
        : `${table}: never extracted; nothing to reset`,
    ]);
  },
};

export const forceReset: Command = {
  summary: 'start over even when the chain cannot be read; moves it aside',
  usage: 'force-reset TABLE [flags]',
  examples: ["wm force-reset shop.orders --reason 'generation 42 is damaged'"],
  flags: [...WM_FLAGS, REASON],
  async run(invocation) {
    const table = oneTable(invocation, 'force-reset TABLE');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const run_id = invocation.runId;
    const link = await chain.commit((_tail, _next, at) => ({
      kind: 'force-reset',
      run_id,
      state: emptyState(at),
      ...reasonOf(invocation),
    }));
    const generation = link?.doc.generation ?? 0;
    const aside = await moveAside(chain, generation, invocation.signal);
    await printRecord(invocation, { table, generation, to: null, ...aside }, () => [
      `${table}: the start (generation ${generation}); ${aside.moved} older files are in ${aside.folder}`,
    ]);
  },
};

export const restore: Command = {
  summary: 'bring an earlier state back',
  usage: 'restore TABLE --generation N [flags]',
  examples: ['wm restore shop.orders --generation 41'],
  flags: [...WM_FLAGS, REASON, { name: 'generation', value: 'N', help: 'the generation whose state comes back' }],
  async run(invocation) {
    const table = oneTable(invocation, 'restore TABLE --generation N');
    const text = invocation.flags.text('generation');
    if (text === undefined)
      throw new Failure('usage', 'wm restore needs --generation N', { hint: 'See `wm history`.' });
    const about = parseCount(text, '--generation');
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const earlier = (await chain.generation(about)).doc.state;
    const run_id = invocation.runId;
    const link = await chain.commit(async (tail, next, at) => {
      // The newest generation may be the damaged one: then the earlier state is all there is to go by.
      const state = tail?.link?.doc.state;
      const left = { files: 0, rows: 0, bytes: 0 };
      for await (const one of chain.pending(pendingAgain(state, earlier))) {
        const { files, rows, bytes } = totalsOf(one.receipts);
        left.files += files;
        left.rows += rows;
        left.bytes += bytes;
      }
      const folded = foldRestored(state, { generation: next, earlier, left, at });
      const from = state?.cursor ?? null;
      return { kind: 'restored', run_id, about, from, to: earlier.cursor, state: folded, ...reasonOf(invocation) };
    });
    const generation = link?.doc.generation;
    await printRecord(invocation, { table, generation, restored: about, to: earlier.cursor }, () => [
      `${table}: ${cell(earlier.cursor)} again, as in generation ${about} (generation ${generation})`,
    ]);
  },
};
