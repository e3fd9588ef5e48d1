/** 1,000 kills of rs-copy at random moments and failpoints, 200 commits cut, 100 rounds of 16 racing loaders. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FAILPOINTS } from '../../src/failpoint.js';
import { connectTarget } from '../support/servers.js';
import { atFailpoint, atRandom, cutCommit, race, survive } from './rs-copy-kill.js';

t.setTimeout(3_600_000);
const folder = mkdtempSync(join(tmpdir(), 'rs-copy-slow-'));
const schema = `rs_copy_slow_${process.pid}`;
const sql = await connectTarget();
t.teardown(async () => {
  await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});

const scene = { sql, folder, schema };
const modeOf = (at: number): 'append' | 'upsert' => (at % 2 === 0 ? 'append' : 'upsert');
const points = FAILPOINTS.filter((name) => name.startsWith('rs-copy.'));

/** Drops what a scene left, so that the catalogue stays small. */
async function dropped(name: string): Promise<void> {
  await sql.query(`DROP TABLE IF EXISTS ${schema}.${name}, ${schema}._tablepipe_ledger_${name}`);
  rmSync(`${folder}/${name}`, { recursive: true, force: true });
}

t.test('800 kills at random moments', async (t) => {
  for (let at = 0; at < 100; at += 1) {
    await survive(scene, `r${at}`, modeOf(at), atRandom(800), 8);
    await dropped(`r${at}`);
  }
  t.pass('nothing lost, nothing twice');
});

t.test('200 kills at failpoints', async (t) => {
  for (let at = 0; at < 200; at += 1) {
    const point = points[at % points.length] as string;
    await survive(scene, `f${at}`, modeOf(at), atFailpoint(point, 1 + (at % 3)));
    await dropped(`f${at}`);
  }
  t.pass('nothing lost, nothing twice');
});

t.test('200 commits cut', async (t) => {
  for (let at = 0; at < 200; at += 1) {
    await survive(scene, `c${at}`, modeOf(at), cutCommit(at % 4 < 2 ? 'before' : 'after', 1 + (at % 3)));
    await dropped(`c${at}`);
  }
  t.pass('nothing lost, nothing twice');
});

t.test('100 rounds of 16 loaders', async (t) => {
  for (let at = 0; at < 100; at += 1) {
    await survive(scene, `x${at}`, modeOf(at), race(16));
    await dropped(`x${at}`);
  }
  t.pass('one copy of each row');
});
