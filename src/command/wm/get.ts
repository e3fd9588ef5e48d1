/** `wm get`: where a table stands. */
import type { Command } from '../../cli/command.js';
import { parseChoice } from '../../cli/parse.js';
import { stdoutIsTerminal, writeStdout } from '../../sink/stdout.js';
import { watermarkDocument } from '../../watermark/document.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, fields, oneTable } from './output.js';

const FORMATS = ['cursor', 'backfill', 'value', 'json', 'env', 'text'] as const;

const command: Command = {
  summary: 'print the watermark of a table',
  usage: 'get TABLE [flags]',
  examples: ['wm get shop.orders', 'mysql-extract shop.orders --since "$(wm get shop.orders --format cursor)"'],
  flags: [
    ...WM_FLAGS,
    {
      name: 'format',
      value: 'FORMAT',
      default: 'text on a terminal, else json',
      help: 'cursor (JSON array for --since; nothing when never extracted), backfill (the same for a backfill under way), value (its first value), json, env (shell assignments), text',
    },
  ],
  async run(invocation) {
    const { flags } = invocation;
    const table = oneTable(invocation, 'get TABLE');
    const natural = stdoutIsTerminal() && !flags.on('json') ? 'text' : 'json';
    const format = parseChoice(flags.text('format') ?? natural, '--format', FORMATS);
    const newest = await openTableChain(await openStore(invocation), table, invocation).read();
    await writeStdout(printed(format, watermarkDocument(table, newest?.doc)));
  },
};

export default command;

function printed(format: (typeof FORMATS)[number], document: Record<string, unknown>): string {
  const cursor = document.cursor as readonly string[] | null;
  const backfill = document.backfill as { to: readonly string[] | null; status: string } | null;
  if (format === 'cursor') return position(cursor);
  if (format === 'backfill') return position(backfill?.status === 'running' ? backfill.to : null);
  if (format === 'value') return cursor === null ? '' : `${cursor[0]}\n`;
  if (format === 'env') return Object.entries(document).map(assignment).join('');
  return format === 'json' ? `${JSON.stringify(document)}\n` : `${fields(document).join('\n')}\n`;
}

/** Nothing at all for "from the start", so that `--since "$(…)"` is given an empty text. */
function position(value: readonly string[] | null): string {
  return value === null ? '' : `${JSON.stringify(value)}\n`;
}

/** `WM_CURSOR='["…"]'`, quoted for any POSIX shell. */
function assignment([name, value]: [string, unknown]): string {
  const text = value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  return `WM_${name.toUpperCase()}='${text.replaceAll("'", "'\\''")}'\n`;
}
