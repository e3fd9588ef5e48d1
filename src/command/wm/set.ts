/** `wm set`: a person moves the cursor. */
import type { Command, Invocation } from '../../cli/command.js';
import type { Position } from '../../end-record.js';
import { Failure } from '../../errors.js';
import { linkOf } from '../../watermark/damage.js';
import { comparePositions, positionOfJson, positionOfTimestamp } from '../../watermark/position.js';
import { emptyState, foldSet } from '../../watermark/state.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, cell, oneTable, printRecord } from './output.js';

const command: Command = {
  summary: 'move the cursor of a table',
  usage: "set TABLE (--timestamp 'YYYY-MM-DD HH:MM:SS' | --cursor JSON) [flags]",
  examples: [
    "wm set shop.orders --timestamp '2024-01-01 00:00:00' --reason 'start of the archive'",
    'wm set shop.orders --cursor \'["2024-01-01 00:00:00.000000","42"]\' --force-rewind',
  ],
  flags: [
    ...WM_FLAGS,
    { name: 'timestamp', value: 'TIME', help: 'resume at rows changed at or after this time' },
    { name: 'cursor', value: 'JSON', help: 'resume after this position: a JSON array of strings' },
    { name: 'literal', help: 'take values such as None, NULL or an empty text as they are' },
    { name: 'force-rewind', help: 'allow a position before the current one, or one whose order is unknown' },
    { name: 'reason', value: 'TEXT', help: 'kept in the history' },
  ],
  async run(invocation) {
    const { flags, runId } = invocation;
    const table = oneTable(invocation, "set TABLE --timestamp 'YYYY-MM-DD HH:MM:SS'");
    const to = asked(invocation);
    const chain = openTableChain(await openStore(invocation), table, invocation);
    let from: Position | null = null;
    const link = await chain.commit(async (tail, _next, at) => {
      const state = (await linkOf(tail, chain))?.doc.state ?? emptyState(at);
      from = state.cursor;
      demandForward(table, from, to, flags.on('force-rewind'));
      // A prefix, or as many values as the cursor had: the columns stay what they were.
      const columns = to.length === state.cursor_columns.length ? state.cursor_columns : [];
      const reason = flags.text('reason');
      const folded = foldSet(state, to, columns, at);
      return { kind: 'set', run_id: runId, from, to, state: folded, ...(reason === undefined ? {} : { reason }) };
    });
    const generation = link?.doc.generation;
    await printRecord(invocation, { table, generation, from, to }, () => [
      `${table}: ${cell(from)} -> ${cell(to)} (generation ${generation})`,
    ]);
  },
};

export default command;

function asked({ flags }: Invocation): Position {
  const [timestamp, cursor] = [flags.text('timestamp'), flags.text('cursor')];
  if ((timestamp === undefined) === (cursor === undefined)) {
    throw new Failure('usage', 'give either --timestamp or --cursor', {
      hint: 'To start over from the beginning use `wm reset`.',
    });
  }
  return cursor === undefined ? positionOfTimestamp(timestamp ?? '') : positionOfJson(cursor, flags.on('literal'));
}

function demandForward(table: string, from: Position | null, to: Position, forced: boolean): void {
  const order = comparePositions(from, to);
  if (forced || order === -1 || order === 0) return;
  const what = order === 1 ? 'goes back to' : 'cannot be proven to come before';
  throw new Failure(
    'usage',
    `${table} stands at ${cell(from)}; this ${order === 1 ? what : `position ${what}`} ${cell(to)}`,
    {
      hint: 'Rows would be read again: add --force-rewind (and --reason) if that is meant.',
    },
  );
}
