/**
 * Kills rs-copy and runs the same line again, until the chain says that everything is loaded; then the target must
 * hold exactly the newest version of each row, and the ledger each object once.
 */
import { mkdirSync } from 'node:fs';
import type pg from 'pg';
import type { Receipt } from '../../src/receipt.js';
import { receiptStream } from '../load/objects.js';
import { type Row, orders } from '../load/rows.js';
import { collected, demandCode, run, start } from '../support/program.js';
import { servers } from '../support/servers.js';
import { POSTGRES_COMMIT, startTcpProxy } from '../support/tcp-proxy.js';

export interface Scene {
  sql: Pick<pg.Pool, 'query'>;
  folder: string;
  schema: string;
  /** The warehouse, where it is not PostgreSQL: its URL, what else rs-copy needs, and how it gets at an object. */
  other?: {
    url: string;
    env: Readonly<Record<string, string>>;
    publish: (receipt: Receipt) => Promise<Receipt>;
  };
}

const OBJECTS = 6;
const ROWS = 40;

/** What a test may do to the nth run of rs-copy, counted from 0; resolves when the process has ended. */
export type Violence = (env: Readonly<Record<string, string>>, words: readonly string[], nth: number) => Promise<void>;

/** Stores objects with overlapping keys, commits them, lets `violence` happen `times` times, finishes, and checks. */
export async function survive(
  scene: Scene,
  name: string,
  mode: 'upsert' | 'append',
  violence: Violence,
  times = 1,
): Promise<void> {
  const { sql, folder, schema } = scene;
  const home = `${folder}/${name}`;
  mkdirSync(home, { recursive: true });
  const source = `shop.${name}`;
  const env = {
    ...scene.other?.env,
    TABLEPIPE_WAREHOUSE_URL: scene.other?.url ?? servers().warehouseUrl,
    TABLEPIPE_WM_STORE: `file://${home}/wm/`,
    HOME: home,
  };
  const versions: Row[][] = [];
  for (let object = 0; object < OBJECTS; object += 1) {
    // Each object brings half of the rows of the one before again.
    versions.push(
      Array.from({ length: ROWS }, (_, row) => [object * (ROWS / 2) + row, `v${object}`, object + 1] as const),
    );
  }
  const receipts = versions.map((rows, seq) => {
    const position = (at: number): [string, string] => [`2024-01-01 00:00:0${at}.000000`, '1'];
    const from = seq === 0 ? null : position(seq - 1);
    return orders(home, rows, seq, { table: source, from, to: position(seq) });
  });
  const stdin = receiptStream(
    await Promise.all(receipts.map(async (one) => (scene.other ? scene.other.publish(one) : one))),
  );
  demandCode(await run('wm', ['advance', source, '--flush-files', '1'], { env, stdin }));
  const words = [
    `${schema}.${name}`,
    '--from-store',
    source,
    '--catch-up',
    '--create',
    '--mode',
    mode,
    '--max-files',
    '2',
  ];
  for (let at = 0; at < times; at += 1) await violence(env, words, at);
  demandCode(await run('rs-copy', words, { env }));
  await demandExact(sql, `${schema}.${name}`, versions.flat(), mode);
  const ledger = await sql.query<{ n: number; urls: number }>(
    `SELECT count(*)::int AS n, count(DISTINCT url)::int AS urls FROM ${schema}._tablepipe_ledger_${name}`,
  );
  if (ledger.rows[0]?.n !== OBJECTS || ledger.rows[0].urls !== OBJECTS) {
    throw new Error(`${name}: the ledger has ${JSON.stringify(ledger.rows)}, expected ${OBJECTS}`);
  }
  const left = await run('wm', ['pending', source, '--json'], { env });
  if (!left.stdout.toString().includes('"objects":0')) throw new Error(`${name}: still pending: ${left.stdout}`);
}

async function demandExact(
  sql: Scene['sql'],
  table: string,
  rows: readonly Row[],
  mode: 'upsert' | 'append',
): Promise<void> {
  const wanted = mode === 'append' ? rows : [...new Map(rows.map((row) => [row[0], row])).values()];
  const found = await sql.query<[number, string]>({ text: `SELECT id, name FROM ${table}`, rowMode: 'array' });
  const spelled = (pairs: readonly (readonly unknown[])[]): string =>
    pairs
      .map(([id, name]) => `${String(id)}:${String(name)}`)
      .sort((a, b) => (a < b ? -1 : 1))
      .join(' ');
  if (spelled(found.rows) !== spelled(wanted)) {
    throw new Error(`${table} has ${found.rows.length} rows, expected ${wanted.length}`);
  }
}

/** Dies at one failpoint after the other; with all five of them, not more than two of three batches come through. */
export function atFailpoints(failpoints: readonly string[]): Violence {
  return (env, words, nth) => atFailpoint(failpoints[nth % failpoints.length] ?? '', 1)(env, words, nth);
}

/** Runs rs-copy with a failpoint armed; fails unless it died there. */
export function atFailpoint(failpoint: string, nth: number): Violence {
  return async (env, words) => {
    const armed = { ...env, TABLEPIPE_UNSAFE_FAILPOINTS: `${failpoint}=kill@${nth}` };
    const ended = await run('rs-copy', words, { env: armed });
    if (ended.signal !== 'SIGKILL') throw new Error(`${failpoint}@${nth} did not fire: ${ended.code} ${ended.stderr}`);
  };
}

/** Kills rs-copy after a random time; resolves also when it was done by then. */
export function atRandom(mostMs: number): Violence {
  return async (env, words) => {
    const child = start('rs-copy', words, { env });
    child.stdin?.end();
    const ended = collected(child, 'rs-copy');
    const timer = setTimeout(() => child.kill('SIGKILL'), Math.random() * mostMs);
    await ended;
    clearTimeout(timer);
  };
}

/** Cuts the nth COMMIT on its way; the run itself must get over it, and must not call its own commit somebody else's. */
export function cutCommit(cut: 'before' | 'after', nth: number): Violence {
  return async (env, words) => {
    const warehouse = new URL(env.TABLEPIPE_WAREHOUSE_URL ?? '');
    const proxy = await startTcpProxy({ to: Number(warehouse.port), host: warehouse.hostname });
    [warehouse.hostname, warehouse.port] = ['127.0.0.1', String(proxy.port)];
    proxy.arm({ sees: POSTGRES_COMMIT, when: cut, nth, action: 'cut' });
    try {
      const through = { ...env, TABLEPIPE_WAREHOUSE_URL: warehouse.href };
      const ended = demandCode(await run('rs-copy', words, { env: through }));
      if (proxy.fired() !== 1) throw new Error(`${proxy.fired()} commits were cut, expected 1`);
      if (/"already_loaded":[1-9]/.test(ended.stdout.toString()))
        throw new Error(`a commit was not recognised: ${ended.stdout}`);
    } finally {
      await proxy.close();
    }
  };
}

/** Runs the same line many times at once; each must load, find things loaded, or stop with a status that says "again". */
export function race(loaders: number): Violence {
  return async (env, words) => {
    const ended = await Promise.all(Array.from({ length: loaders }, () => run('rs-copy', words, { env })));
    for (const one of ended) {
      if (one.code !== 0 && one.code !== 75) throw new Error(`a racer ended with ${one.code}: ${one.stderr}`);
    }
    if (!ended.some(({ code }) => code === 0)) throw new Error('no racer won');
  };
}
