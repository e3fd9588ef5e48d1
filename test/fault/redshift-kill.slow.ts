/** The double of Redshift: rs-copy killed, cut off and raced against itself. What it found is in RESULTS.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { redshiftScene } from './redshift-scene.js';
import { ordeal } from './rs-copy-ordeal.js';

t.setTimeout(7_200_000);
const folder = mkdtempSync(join(tmpdir(), 'redshift-slow-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
await ordeal(t, await redshiftScene(t, folder), { bytes: 6_000, ms: 1_000 });
