/** `wm probe`: does this store keep the promises a watermark rests on? */
import type { Command, Invocation } from '../../cli/command.js';
import { Failure } from '../../errors.js';
import { type Trial, tryStore } from '../../watermark/probe.js';
import { openImpatientStore } from '../watermark-store.js';
import { WM_FLAGS, aligned, printRecord } from './output.js';

const command: Command = {
  summary: 'try whether a store can hold watermarks',
  usage: '[flags]',
  examples: ['wm probe --store s3://lake/watermarks/'],
  flags: WM_FLAGS,
  async run(invocation: Invocation) {
    if (invocation.operands.length > 0) throw new Failure('usage', 'wm probe takes no operand; it tries --store');
    const store = await openImpatientStore(invocation);
    const trials = await tryStore(store, invocation.signal);
    const failed = trials.filter((trial) => !trial.ok);
    await printRecord(invocation, { store: store.url, ok: failed.length === 0, trials }, () => [
      store.url,
      ...aligned(
        ['trial', 'ok', 'found'],
        trials.map((trial: Trial) => [trial.name, trial.ok ? 'yes' : 'NO', trial.found]),
      ),
    ]);
    if (failed.length > 0)
      throw new Failure('protocol', `${store.url} failed: ${failed.map((trial) => trial.name).join(', ')}`);
  },
};

export default command;
