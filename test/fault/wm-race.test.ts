/** A small race of processes for one table; `wm-race.slow.ts` is the whole one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FileStore } from '../../src/watermark/file-store.js';
import { testS3 } from '../watermark/test-s3.js';
import { contest } from './wm-contest.js';

t.setTimeout(300_000);

t.test('file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wm-race-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await contest(t, new FileStore(folder), 16, 20);
});

t.test('s3', async (t) => {
  const s3 = await testS3();
  t.teardown(() => s3.stop());
  t.comment(s3.name);
  await contest(t, await s3.store(), 8, 20);
});
