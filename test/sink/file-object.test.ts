/** The sink of files: temporary name, sync, its own name, the folder synced; complete, or absent. */
import { randomBytes } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { chunksOf } from '../support/s3-scratch.js';

const dir = await fs.mkdtemp(join(tmpdir(), 'file-object-'));
t.teardown(() => fs.rm(dir, { recursive: true, force: true }));
const { signal } = new AbortController();
const bytes = randomBytes(200_000);

/** What reaches the disk, in order: the calls that make it durable and visible. */
const calls: string[] = [];
const probe = await fs.open('/dev/null');
const handles = Object.getPrototypeOf(probe) as { sync: () => Promise<void> };
await probe.close();
const { link } = fs;
const { sync } = handles;
handles.sync = function watched(this: unknown) {
  calls.push('sync');
  return sync.call(this);
};
fs.link = async (from, to) => {
  const names = await fs.readdir(join(dir, 'lake'));
  calls.push(`link, with ${names.filter((name) => !name.startsWith('.tmp-')).length} visible`);
  return link(from, to);
};
syncBuiltinESMExports();
t.teardown(() => {
  Object.assign(handles, { sync });
  fs.link = link;
  syncBuiltinESMExports();
});
// Only now: it takes the functions that are there when it is loaded, or later ones through the same names.
const { fileObject } = await import('../../src/sink/file-object.js');
const path = join(dir, 'lake', 'x.bin');
const put = (body: Uint8Array) => fileObject(path)(chunksOf(body), signal);

t.test('the bytes are on the disk before the name is, and the name before the receipt', async (t) => {
  await fs.mkdir(join(dir, 'lake'));
  const stored = await put(bytes);
  t.same(calls, ['sync', 'link, with 0 visible', 'sync'], 'the file, its name, the folder');
  t.match(stored, { url: `file://${path}`, bytes: bytes.length, created: true });
  t.ok((await fs.readFile(path)).equals(bytes));
  t.same(await fs.readdir(join(dir, 'lake')), ['x.bin'], 'no temporary file is left');
});

t.test('the same again is a no-op; other bytes are 73 and change nothing', async (t) => {
  const { mtimeMs, ino } = await fs.stat(path);
  t.match(await put(bytes), { created: false });
  await t.rejects(put(bytes.subarray(1)), { name: 'Failure', kind: 'cannot-create' });
  t.match(await fs.stat(path), { mtimeMs, ino });
  t.same(await fs.readdir(join(dir, 'lake')), ['x.bin']);
});

t.test('an input that breaks leaves nothing, wherever it breaks', async (t) => {
  for (const at of [0, 1, 70_000, bytes.length]) {
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield* chunksOf(bytes.subarray(0, at));
      throw new Error('broke');
    };
    await t.rejects(fileObject(join(dir, 'lake', 'y.bin'))(broken(), signal), { message: 'broke' });
  }
  t.same(await fs.readdir(join(dir, 'lake')), ['x.bin']);
});
