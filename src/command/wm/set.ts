/** `wm set`: a person moves the cursor. */
import type { Command, Invocation } from '../../cli/command.js';
import type { Position } from '../../end-record.js';
import { Failure } from '../../errors.js';
import { setCursor } from '../../watermark/moves.js';
import { positionOfJson, positionOfTimestamp } from '../../watermark/position.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { REASON_FLAG, WM_FLAGS, cell, handOf, oneTable, printRecord } from './output.js';

const command: Command = {
  summary: 'move the cursor of a table',
  usage: "TABLE (--timestamp 'YYYY-MM-DD HH:MM:SS' | --cursor JSON) [flags]",
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
    REASON_FLAG,
  ],
  async run(invocation) {
    const table = oneTable(invocation, "set TABLE --timestamp 'YYYY-MM-DD HH:MM:SS'");
    const position = asked(invocation);
    const chain = openTableChain(await openStore(invocation), table, invocation);
    const rewind = invocation.flags.on('force-rewind');
    const { generation, from, to } = await setCursor(chain, position, rewind, handOf(invocation));
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
