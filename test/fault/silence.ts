/** A connection to the warehouse that falls silent without being closed, as one does that a firewall has forgotten. */
import type { Test } from 'tap';
import { demandCode, run } from '../support/program.js';
import { POSTGRES_COMMIT, type TcpFault, startTcpProxy } from '../support/tcp-proxy.js';
import { type Scene, type Violence, survive } from './rs-copy-kill.js';

const COMMIT = { sees: POSTGRES_COMMIT, nth: 2 };
const REDSHIFT_COPY = { sees: 'FORMAT AS PARQUET MANIFEST', nth: 2 };

export const POSTGRES_PLACES: Readonly<Record<string, Place>> = {
  'while connecting': 'connecting',
  'in the middle of the rows of a COPY': { sees: 'v3', when: 'before' },
  'a merge does not arrive': { sees: 'MERGE INTO', when: 'before' },
  'COMMIT does not arrive': { ...COMMIT, when: 'before' },
  'the answer to COMMIT does not arrive': { ...COMMIT, when: 'after' },
};

export const REDSHIFT_PLACES: Readonly<Record<string, Place>> = {
  'while connecting': 'connecting',
  'a COPY does not arrive': { ...REDSHIFT_COPY, when: 'before' },
  'the answer to a COPY does not arrive': { ...REDSHIFT_COPY, when: 'after' },
  'a DELETE does not arrive': { sees: 'DELETE FROM', when: 'before' },
  'COMMIT does not arrive': { ...COMMIT, when: 'before' },
  'the answer to COMMIT does not arrive': { ...COMMIT, when: 'after' },
};

/** Where it happens: at words of the client, which are passed on or not, or before the server has said anything. */
export type Place = { sees: string | Uint8Array; when: 'before' | 'after'; nth?: number } | 'connecting';

export interface Silencing {
  place: Place;
  /** New connections are served; otherwise they are as silent. */
  around: boolean;
}

/** Milliseconds a run may take on a busy machine; an open end would be the 15 minutes TCP sends again for. */
const MOST_MS = 60_000;

/** More connections than a run that gives up makes. */
const CONNECTIONS = 6;

/**
 * Runs rs-copy over a connection that falls silent. With a way around it the run gets over it by itself; without one
 * it ends with 75 and says that a rerun is safe. Both in bounded time.
 */
export function silenced({ place, around }: Silencing): Violence {
  return async (env, words) => {
    const warehouse = new URL(env.TABLEPIPE_WAREHOUSE_URL ?? '');
    const proxy = await startTcpProxy({ to: Number(warehouse.port), host: warehouse.hostname });
    [warehouse.hostname, warehouse.port] = ['127.0.0.1', String(proxy.port)];
    warehouse.searchParams.set('connect_timeout', '2');
    const connecting: TcpFault = { direction: 'up', afterBytes: 1, action: 'stall' };
    if (place !== 'connecting') proxy.arm({ ...place, action: 'stall' });
    if (!around) for (let at = 0; at < CONNECTIONS; at += 1) proxy.arm(connecting);
    const began = Date.now();
    const limits = ['--idle-timeout', '1s', '--lock-timeout', '2s'];
    try {
      const through = { ...env, TABLEPIPE_WAREHOUSE_URL: warehouse.href };
      const ended = demandCode(await run('rs-copy', [...words, ...limits], { env: through }), around ? 0 : 75);
      const tookMs = Date.now() - began;
      if (tookMs > MOST_MS) throw new Error(`it took ${tookMs} ms: ${ended.stderr}`);
      if (place !== 'connecting') demandSaid(ended.stderr, around ? /the server waits for us/ : /cannot be reached/);
      if (!around) demandSaid(ended.stderr, /Running the same line again is safe/);
      if (proxy.fired() === 0) throw new Error('the connection did not fall silent');
    } finally {
      await proxy.close();
    }
  };
}

/** A load for each of the places, all at once, for each is mostly waiting; every other one in `append` mode. */
export async function silencedAt(
  t: Test,
  scene: Scene,
  places: Readonly<Record<string, Place>>,
  ways: readonly boolean[] = [true, false],
): Promise<void> {
  const one = async ([name, place]: [string, Place], at: number, around: boolean): Promise<void> => {
    if (place === 'connecting' && around) return;
    const table = `${scene.other ? 'r' : 'p'}${at}_${around ? 'around' : 'away'}`;
    await survive(scene, table, at % 2 === 0 ? 'upsert' : 'append', silenced({ place, around }));
    t.pass(`${name}, ${around ? 'and others are served' : 'and so does every other connection'}`);
  };
  await Promise.all(Object.entries(places).flatMap((entry, at) => ways.map((around) => one(entry, at, around))));
}

function demandSaid(stderr: string, words: RegExp): void {
  if (!words.test(stderr)) throw new Error(`it does not say ${String(words)}: ${stderr}`);
}
