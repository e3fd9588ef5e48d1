/** `wm get`: where a table stands. */
import type { Command } from '../../cli/command.js';
import { parseChoice } from '../../cli/parse.js';
import { Failure } from '../../errors.js';
import { stdoutIsTerminal, writeStdout } from '../../sink/stdout.js';
import { watermarkDocument } from '../../watermark/document.js';
import type { Generation } from '../../watermark/generation.js';
import { backfillOf, resumeOf, resumeText } from '../../watermark/resume.js';
import { emptyState } from '../../watermark/state.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, fields, oneTable } from './output.js';

const FORMATS = ['cursor', 'backfill', 'value', 'json', 'env', 'text'] as const;

const command: Command = {
  summary: 'print the watermark of a table',
  usage: 'TABLE [flags]',
  examples: ['wm get shop.orders', 'mysql-extract shop.orders --since "$(wm get shop.orders --format cursor)"'],
  flags: [
    ...WM_FLAGS,
    {
      name: 'format',
      value: 'FORMAT',
      default: 'text on a terminal, else json',
      help: 'cursor (for --since: where the next read begins, null = the start), backfill (the same, of a backfill beside a cursor), value (first value of the cursor), json, env (shell assignments), text',
    },
  ],
  async run(invocation) {
    const { flags } = invocation;
    const table = oneTable(invocation, 'get TABLE');
    if (flags.on('json') && flags.text('format') !== undefined && flags.text('format') !== 'json') {
      throw new Failure('usage', '--json and --format ask for different things');
    }
    const natural = stdoutIsTerminal() && !flags.on('json') ? 'text' : 'json';
    const format = parseChoice(flags.text('format') ?? natural, '--format', FORMATS);
    const newest = await openTableChain(await openStore(invocation), table, invocation).read();
    await writeStdout(printed(format, table, newest?.doc));
  },
};

export default command;

function printed(format: (typeof FORMATS)[number], table: string, newest: Generation | undefined): string {
  const state = newest?.state ?? emptyState('');
  if (format === 'cursor') return `${resumeText(resumeOf(state))}\n`;
  if (format === 'backfill') return `${resumeText(backfillOf(state) ?? { from: 'start' })}\n`;
  if (format === 'value') return state.cursor === null ? '' : `${state.cursor[0]}\n`;
  const document = watermarkDocument(table, newest);
  if (format === 'env') return Object.entries(document).map(assignment).join('');
  return format === 'json' ? `${JSON.stringify(document)}\n` : `${fields(document).join('\n')}\n`;
}

/** `WM_CURSOR='["…"]'`, quoted for any POSIX shell. */
function assignment([name, value]: [string, unknown]): string {
  const text = value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
  return `WM_${name.toUpperCase()}='${text.replaceAll("'", "'\\''")}'\n`;
}
