/** SIGINT, SIGTERM and SIGHUP of a running command. */
import { setMaxListeners } from 'node:events';
import { Failure } from '../errors.js';
import type { Words } from './stderr.js';

type Signal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** How long clean-up may take after the first signal before the process dies anyway. */
const CLEANUP_MS = 5_000;

/** First signal: stop and clean up. Second: die. Either way the process ends by that signal, as shells expect. */
export class Signals {
  received: Signal | undefined;
  private readonly controller = new AbortController();
  private readonly listeners = new Map<Signal, () => void>();

  constructor(words: () => Words) {
    // Every request in flight listens; Node warns at eleven.
    setMaxListeners(0, this.controller.signal);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const onSignal = (): void => {
        if (this.received) return this.die(name);
        this.received = name;
        words().note(name === 'SIGINT' ? 'stopping; Ctrl-C again to quit at once' : `stopping on ${name}`);
        this.controller.abort(new Failure('truncated', `stopped by ${name}`, { code: signalCode(name) }));
        setTimeout(() => this.die(name), CLEANUP_MS).unref();
      };
      this.listeners.set(name, onSignal);
      process.on(name, onSignal);
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get reason(): Failure | undefined {
    return this.received ? (this.controller.signal.reason as Failure) : undefined;
  }

  /** Called when the command is over: dies by the signal if one came, so that make and bash see it. */
  end(): void {
    if (this.received) this.die(this.received);
    for (const [name, listener] of this.listeners) process.off(name, listener);
  }

  private die(name: Signal): void {
    process.removeAllListeners(name);
    process.kill(process.pid, name);
  }
}

function signalCode(name: Signal): number {
  return { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[name];
}
