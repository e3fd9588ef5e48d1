/** Many processes on one table: one winner each round, no number twice, no value lost. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { openChain } from '../../src/watermark/chain.js';
import type { WatermarkStore } from '../../src/watermark/store.js';

const { signal } = new AbortController();
const program = fileURLToPath(new URL('../fixture/wm-racer.js', import.meta.url));

interface Result {
  id: string;
  won: number[];
  /** Rounds lost at the creation of the file itself. */
  close: number;
}

/** A process that waits for the start. */
class Racer {
  readonly ready: Promise<void>;
  private stdout = '';
  private stderr = '';
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly closed: Promise<unknown[]>;

  constructor(
    private readonly id: string,
    url: string,
    rounds: number,
    racers: number,
  ) {
    this.child = spawn(process.execPath, [program, url, id, String(rounds), String(racers)]);
    this.closed = once(this.child, 'close');
    this.child.stderr.on('data', (chunk) => (this.stderr += String(chunk)));
    this.ready = new Promise((resolve) => {
      this.child.stdout.on('data', (chunk) => {
        this.stdout += String(chunk);
        if (this.stdout.includes('ready')) resolve();
      });
      this.child.on('close', () => resolve());
    });
  }

  async run(): Promise<Result> {
    this.child.stdin.write('go\n');
    const [code] = await this.closed;
    if (code !== 0) throw new Error(`${this.id} ended with ${String(code)}: ${this.stderr}`);
    return JSON.parse(this.stdout.split('\n')[1] ?? '') as Result;
  }
}

/** Starts `processes` racers at once and lets them play `rounds`. */
export async function contest(t: Test, store: WatermarkStore, processes: number, rounds: number): Promise<void> {
  const racers = Array.from({ length: processes }, (_, n) => new Racer(`racer-${n}`, store.url, rounds, processes));
  await Promise.all(racers.map((one) => one.ready));
  const results = await Promise.all(racers.map((one) => one.run()));
  const winnerOf = new Map<number, string[]>();
  for (const { id, won } of results) for (const round of won) winnerOf.set(round, [...(winnerOf.get(round) ?? []), id]);
  t.same(
    [...winnerOf.keys()].sort((a, b) => a - b),
    Array.from({ length: rounds }, (_, n) => n),
    'every round was won',
  );
  t.same(
    [...winnerOf.values()].filter((ids) => ids.length !== 1),
    [],
    'by exactly one',
  );
  const chain = openChain(store, 'shop.orders', { by: 'test', signal });
  let generation = 0;
  for await (const doc of chain.generationsAfter(0)) {
    generation += 1;
    if (doc.generation !== generation) t.fail(`generation ${doc.generation} after ${generation - 1}`);
    const winner = winnerOf.get(Number(doc.from?.[0] ?? 0))?.[0];
    if (doc.run_id !== winner) t.fail(`generation ${generation} is of ${doc.run_id}; ${winner} thinks it won`);
  }
  t.equal(generation, rounds, 'no number twice, none left out');
  t.match((await chain.read())?.doc.state, {
    cursor: [String(rounds)],
    mysql_rows_extracted: rounds * 10,
    pending_files: rounds,
  });
  const winners = results.filter(({ won }) => won.length > 0).length;
  const close = results.reduce((sum, one) => sum + one.close, 0);
  t.comment(
    `${processes} processes, ${rounds} rounds, ${winners} different winners, ${close} lost at the creation itself`,
  );
  t.ok(winners > 1 && close > 0, 'it was a race');
}
