/** Kills rs-copy while it talks to the warehouse: moments are counted from its connection, so that a slow machine gets there too. */
import { setTimeout as sleep } from 'node:timers/promises';
import { collected, start } from '../support/program.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import type { Violence } from './rs-copy-kill.js';

export interface Conversation {
  /** About what rs-copy says in a whole load, in bytes. */
  bytes: number;
  /** About how long a whole load takes after the connection is made, in milliseconds. */
  ms: number;
  /** Told of each kill that was in time. */
  onKill: () => void;
}

/** Kills at a random byte of what rs-copy says, which is the last one to arrive, or after a random time. */
export function inConversation({ bytes, ms, onKill }: Conversation): Violence {
  return async (env, words) => {
    const warehouse = new URL(env.TABLEPIPE_WAREHOUSE_URL ?? '');
    const proxy = await startTcpProxy({ to: Number(warehouse.port), host: warehouse.hostname });
    [warehouse.hostname, warehouse.port] = ['127.0.0.1', String(proxy.port)];
    const child = start('rs-copy', words, { env: { ...env, TABLEPIPE_WAREHOUSE_URL: warehouse.href } });
    child.stdin?.end();
    let over = false;
    const ended = collected(child, 'rs-copy').finally(() => (over = true));
    const until = async (reached: () => boolean): Promise<void> => {
      while (!over && !reached()) await sleep(5);
    };
    if (Math.random() < 0.5) {
      proxy.arm({ direction: 'up', afterBytes: 1 + Math.floor(Math.random() * bytes), action: 'stall' });
      await until(() => proxy.fired() > 0);
    } else {
      await until(() => proxy.accepted > 0);
      const killAt = performance.now() + Math.random() * ms;
      await until(() => performance.now() >= killAt);
    }
    child.kill('SIGKILL');
    if ((await ended).signal === 'SIGKILL') onKill();
    await proxy.close();
  };
}
