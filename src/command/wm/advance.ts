/** `wm advance`: commits receipts, passes them on. */
import type { Command, Invocation } from '../../cli/command.js';
import { parseCount, parseDuration } from '../../cli/parse.js';
import type { ReceiptItem } from '../../receipt.js';
import { stdout } from '../../sink/stdout.js';
import { stdinBytes } from '../../source/stdin.js';
import { type Codec, runThrough } from '../../stage.js';
import { advance } from '../../watermark/advance.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, oneTable, readable } from './output.js';

/** After a signal the receipts in hand may still be committed; main() gives a program 5 s to clean up. */
const GRACE_MS = 4_000;

const command: Command = {
  summary: 'commit the receipts on stdin and pass them on',
  usage: 'TABLE [flags]',
  examples: [
    '… | s3-put s3://lake/incremental/ | wm advance shop.orders | rs-copy analytics.orders --from-store shop.orders',
  ],
  flags: [
    ...WM_FLAGS,
    {
      name: 'flush-interval',
      value: 'TIME',
      default: '5s',
      help: 'longest time a receipt waits for others to share its generation',
    },
    { name: 'flush-files', value: 'N', default: '1000', help: 'most receipts in one generation' },
  ],
  async run(invocation) {
    const { flags, signal, runId } = invocation;
    const table = oneTable(invocation, 'advance TABLE');
    const flushMs = parseDuration(flags.text('flush-interval') ?? '5s', '--flush-interval');
    const flushFiles = parseCount(flags.text('flush-files') ?? '1000', '--flush-files');
    const store = await openStore(invocation);
    const chain = openTableChain(store, table, invocation, delayed(invocation));
    const source = stdinBytes('the receipts of s3-put');
    const codec = advance(chain, { flushMs, flushFiles, runId });
    await runThrough(source, readable(invocation) ? spoken(codec) : codec, stdout(), signal);
  },
};

export default command;

/** The invocation's signal, GRACE_MS later. */
function delayed({ signal }: Invocation): AbortSignal {
  const late = new AbortController();
  const start = (): void => void setTimeout(() => late.abort(signal.reason), GRACE_MS).unref();
  signal.addEventListener('abort', start, { once: true });
  return late.signal;
}

/** The same for a person: one line per committed object, and what it came to. */
function spoken(codec: Codec<Uint8Array, string>): Codec<Uint8Array, string> {
  return async function* words(input, signal) {
    for await (const line of codec(input, signal)) {
      const item = JSON.parse(line) as ReceiptItem;
      if (item.type === 'object')
        yield `generation ${item.generation}: ${item.rows} rows, ${item.bytes} bytes, ${item.url}\n`;
      else yield `${item.table}: ${item.status}; ${item.objects} objects, ${item.rows} rows, ${item.bytes} bytes\n`;
    }
  };
}
