/** `wm lock`, `wm unlock` and `wm run`: a lease around work, so that a second run stops before it starts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Command, Invocation } from '../../cli/command.js';
import { parseDuration } from '../../cli/parse.js';
import { Failure, kindOfCode } from '../../errors.js';
import { pause } from '../../retry.js';
import { type Lease, Leases } from '../../watermark/lease.js';
import { openStore, writer } from '../watermark-store.js';
import { WM_FLAGS, oneTable, printRecord } from './output.js';

const TTL = { name: 'ttl', value: 'TIME', default: '60s', help: 'how long the lease outlives its last heartbeat' };
const WAIT = { name: 'wait', value: 'TIME', default: '0', help: 'how long to wait for another holder' };

export const lock: Command = {
  summary: 'take the lease on a table',
  usage: 'TABLE [flags]',
  examples: ['token=$(wm lock shop.orders --ttl 2h --json | jq -r .token)', 'wm unlock shop.orders --token "$token"'],
  flags: [...WM_FLAGS, TTL, WAIT],
  async run(invocation) {
    const table = oneTable(invocation, 'lock TABLE');
    const wishes = asked(invocation);
    const leases = new Leases(await openStore(invocation), table, invocation.signal);
    const lease = await leases.acquire(wishes);
    await printRecord(invocation, lease, () => [
      `${table}: locked until ${lease.expires_at} (number ${lease.number}); release it with:`,
      `wm unlock ${table} --token ${lease.token}`,
    ]);
  },
};

export const unlock: Command = {
  summary: 'give the lease on a table back',
  usage: 'TABLE (--token TOKEN | --force) [flags]',
  examples: ['wm unlock shop.orders --token "$token"', 'wm unlock shop.orders --force'],
  flags: [
    ...WM_FLAGS,
    { name: 'token', value: 'TOKEN', help: 'what `wm lock` printed' },
    { name: 'force', help: "release somebody else's lease" },
  ],
  async run(invocation) {
    const { flags } = invocation;
    const table = oneTable(invocation, 'unlock TABLE --token TOKEN');
    const [token, force] = [flags.text('token'), flags.on('force')];
    if ((token === undefined) !== force) throw new Failure('usage', 'give either --token or --force');
    const store = await openStore(invocation);
    const leases = new Leases(store, table, invocation.signal);
    if (force) {
      const released = await leases.clear(writer(invocation));
      return await printRecord(invocation, { table, released, noop: !released }, () => [
        released ? `${table}: released` : `${table}: was not locked`,
      ]);
    }
    const lease = await leases.newest();
    const free = !leases.isHeld(lease);
    if (!free && lease.token !== token) {
      throw new Failure('conflict', `${table} is locked by ${lease.owner}, with another token`, {
        hint: 'To end it all the same: --force.',
      });
    }
    if (!free && !(await leases.release(lease)))
      throw new Failure('conflict', `the lease on ${table} changed hands meanwhile`);
    await printRecord(invocation, { table, released: !free, noop: free }, () => [
      free ? `${table}: was not locked` : `${table}: released`,
    ]);
  },
};

export const runLocked: Command = {
  summary: 'run a command while holding the lease on a table',
  usage: 'TABLE [flags] -- COMMAND [ARGUMENT ...]',
  examples: ['wm run shop.orders -- examples/one-table.sh shop.orders', "wm run shop.orders --wait 1h -- sh -c '…'"],
  flags: [...WM_FLAGS, TTL, WAIT],
  async run(invocation) {
    const [table, command, ...words] = invocation.operands;
    if (table === undefined || command === undefined) {
      throw new Failure('usage', 'wm run needs a table and a command', {
        hint: 'Write: wm run TABLE -- COMMAND ARGUMENTS.',
      });
    }
    const wishes = asked(invocation);
    const store = await openStore(invocation);
    const lease = await new Leases(store, table, invocation.signal).acquire(wishes);
    // Releasing has to work after a signal too: it has its own, which never fires.
    const leases = new Leases(store, table, new AbortController().signal);
    const keeper = new Keeper(leases, lease, wishes.ttlMs);
    try {
      await supervised(invocation, keeper, command, words);
    } finally {
      await keeper.stop();
    }
  },
};

function asked(invocation: Invocation): { owner: string; ttlMs: number; waitMs: number } {
  const { flags } = invocation;
  const ttlMs = parseDuration(flags.text('ttl') ?? '60s', '--ttl');
  if (ttlMs < 1000) throw new Failure('usage', '--ttl: at least one second');
  const owner = `${writer(invocation)} run ${invocation.runId}`;
  return { owner, ttlMs, waitMs: parseDuration(flags.text('wait') ?? '0', '--wait') };
}

/** Runs the command with our streams; its status is ours. A lost lease or a signal stops it. */
async function supervised(
  invocation: Invocation,
  keeper: Keeper,
  command: string,
  words: readonly string[],
): Promise<void> {
  const { env, runId, signal } = invocation;
  const child = spawn(command, words, { stdio: 'inherit', env: { ...env, TABLEPIPE_RUN_ID: runId } });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  keeper.onLost = stop;
  try {
    const [code, killed] = (await once(child, 'close')) as [number | null, string | null];
    if (keeper.lost) throw keeper.lost;
    if (code === 0) return;
    const what = code === null ? `was ended by ${killed}` : `ended with ${code}`;
    const status = code ?? 128 + (constants.signals[killed as NodeJS.Signals] ?? 0);
    // A status of another program's own says nothing about ours: its class is not 70.
    const kind = kindOfCode(status) === 'internal' ? 'more' : kindOfCode(status);
    throw new Failure(kind, `${command} ${what}`, { code: status, hint: 'Its own message says why.' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Failure('usage', `${command}: no such command`, { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Renews a lease three times per lifetime until stopped, then gives it back. */
class Keeper {
  lost: Failure | undefined;
  onLost: () => void = () => {};
  private readonly over = new AbortController();
  private readonly beating: Promise<void>;

  constructor(
    private readonly leases: Leases,
    private lease: Lease,
    private readonly ttlMs: number,
  ) {
    this.beating = this.beat();
  }

  async stop(): Promise<void> {
    this.over.abort();
    await this.beating;
    if (!this.lost) await this.leases.release(this.lease);
  }

  private async beat(): Promise<void> {
    let renewedAt = performance.now();
    while (await this.waited()) {
      try {
        this.lease = await this.leases.renew(this.lease, this.ttlMs);
        renewedAt = performance.now();
      } catch (error) {
        const passing = error instanceof Failure && error.kind === 'temporary';
        if (passing && performance.now() - renewedAt < this.ttlMs) continue;
        this.lost = error instanceof Failure ? error : new Failure('internal', 'renewing a lease', { cause: error });
        return this.onLost();
      }
    }
  }

  private async waited(): Promise<boolean> {
    try {
      await pause(this.ttlMs / 3, this.over.signal);
      return true;
    } catch {
      return false;
    }
  }
}
