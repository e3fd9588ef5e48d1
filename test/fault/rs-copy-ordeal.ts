/** 800 kills of rs-copy at random moments and 200 at failpoints, 100 commits cut, 100 rounds of 16 loaders. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import { type Conversation, inConversation } from './conversation-kill.js';
import { type Scene, type Violence, atFailpoints, cutCommit, race, survive } from './rs-copy-kill.js';

const points = FAILPOINTS.filter((name) => name.startsWith('rs-copy.'));
/** For a person in a hurry: how many hundredths of the rounds to run. */
const share = Number(process.env.TABLEPIPE_TEST_SHARE ?? 100) / 100;
const part = (whole: number): number => Math.max(1, Math.round(whole * share));

/** Rounds at the same time, each with a table of its own: most of a round is waiting. */
const AT_ONCE = 3;

export interface OrdealScene extends Scene {
  /** Sessions that loaded into a table and left in the middle of a transaction, where the scene can tell. */
  leftInTransaction?(table: string): number;
}

/** All of it in one scene; `talk` is how much and how long rs-copy talks there. */
export async function ordeal(t: Test, scene: OrdealScene, talk: Omit<Conversation, 'onKill'>): Promise<void> {
  /** Transactions that a killed or cut loader left open, in the rounds of one test. */
  let open = 0;
  const inside = (): string => (scene.leftInTransaction ? `, ${open} in a transaction` : '');

  /** Runs rounds numbered from 0 until `enough` says so; each leaves nothing behind. Resolves to how many there were. */
  const rounds = async (
    name: string,
    enough: (begun: number) => boolean,
    violence: (at: number) => Violence,
    times = 1,
  ): Promise<number> => {
    let begun = 0;
    open = 0;
    const work = async (): Promise<void> => {
      while (!enough(begun)) {
        const at = begun;
        begun += 1;
        const table = `${name}${at}`;
        await survive(scene, table, at % 2 === 0 ? 'append' : 'upsert', violence(at), times);
        open += scene.leftInTransaction?.(table) ?? 0;
        for (const one of [table, `_tablepipe_ledger_${table}`]) {
          await scene.sql.query(`DROP TABLE ${scene.schema}.${one}`);
        }
        rmSync(join(scene.folder, table), { recursive: true, force: true });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return begun;
  };

  await t.test('800 kills at random moments', async (t) => {
    let kills = 0;
    const killed = inConversation({ ...talk, onKill: () => (kills += 1) });
    const tables = await rounds(
      'r',
      () => kills >= part(800),
      () => killed,
      5,
    );
    t.ok(kills >= part(800));
    if (scene.leftInTransaction) t.ok(open >= kills / 4, 'enough of them in the middle of a transaction');
    t.pass(`${kills} kills over ${tables} loads${inside()}: nothing lost, nothing twice`);
  });

  await t.test('200 kills at failpoints', async (t) => {
    const turned = (at: number): string[] => [
      ...points.slice(at % points.length),
      ...points.slice(0, at % points.length),
    ];
    const tables = await rounds(
      'f',
      (begun) => begun * points.length >= part(200),
      (at) => atFailpoints(turned(at)),
      points.length,
    );
    t.pass(`${tables * points.length} kills over ${tables} loads${inside()}: nothing lost, nothing twice`);
  });

  await t.test('100 commits cut', async (t) => {
    const cuts = await rounds(
      'c',
      (begun) => begun >= part(100),
      (at) => cutCommit(at % 4 < 2 ? 'before' : 'after', 1 + (at % 3)),
    );
    t.pass(`${cuts} commits cut: nothing lost, nothing twice`);
  });

  await t.test('100 rounds of 16 loaders', async (t) => {
    const races = await rounds(
      'x',
      (begun) => begun >= part(100),
      () => race(16),
    );
    t.pass(`${races} rounds: one copy of each row`);
  });
}
