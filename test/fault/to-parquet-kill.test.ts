/** to-parquet killed, stopped and failing at every place of its own: no file, no complete archive, whole members. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { members } from '../../src/codec/members.js';
import { Failure } from '../../src/errors.js';
import { FAILPOINTS } from '../../src/failpoint.js';
import { convertedTar } from '../fixture/converted.js';
import { ordersArrow } from '../fixture/orders-arrow.js';
import { textArrow } from '../fixture/text-arrow.js';
import { type Ended, collected, demandCode, run, start } from '../support/program.js';

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'to-parquet-kill-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const stdin = ordersArrow(600, 100);
const PLACES = FAILPOINTS.filter((name) => name.startsWith('to-parquet.'));

/** The names of the members a reader takes for whole, and how the archive ended for it. */
async function read(archive: Uint8Array): Promise<{ names: string[]; end: string }> {
  const names: string[] = [];
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield archive;
  };
  try {
    for await (const item of members(bytes(), { allowUnterminated: false })) {
      if (item.kind === 'end') return { names, end: 'complete' };
      for await (const chunk of item.member.body) void chunk;
      names.push(item.member.name ?? '');
    }
    return { names, end: 'nothing' };
  } catch (error) {
    return { names, end: error instanceof Failure ? error.kind : String(error) };
  }
}

const undisturbed = read(await convertedTar(stdin, { fileRows: 200 }));

t.test('at every failpoint: killed, and failing', async (t) => {
  const all = await undisturbed;
  t.match(all, { end: 'complete', names: { length: 3 } });
  for (const place of PLACES) {
    // A footer is written three times, a batch read six times, the end reached once.
    const nth = place === 'to-parquet.before-end' ? 1 : 2;
    for (const [action, signal, code] of [
      ['kill', 'SIGKILL', null],
      ['throw', null, 75],
    ] as const) {
      const env = { TABLEPIPE_UNSAFE_FAILPOINTS: `${place}=${action}@${nth}` };
      const ended: Ended = await run('to-parquet', ['--split-rows', '200'], { stdin, env });
      t.match({ signal: ended.signal, code: ended.code }, { signal, code }, `${place} ${action}`);
      const { names, end } = await read(ended.stdout);
      t.ok(end === 'truncated' || end === 'temporary', `${place} ${action}: the reader is told (${end})`);
      t.same(names, all.names.slice(0, names.length), 'what came before is whole and has its name');
    }
  }
});

t.test('stopped by a signal while it waits for rows', async (t) => {
  const child = start('to-parquet', ['--split-rows', '200']);
  const ended = collected(child, 'to-parquet');
  const first = once(child.stdout as NodeJS.ReadableStream, 'data');
  child.stdin?.write(stdin.subarray(0, Math.floor(stdin.length / 2)));
  await first;
  child.kill('SIGTERM');
  const { signal, stdout } = await ended;
  t.equal(signal, 'SIGTERM');
  const { names, end } = await read(stdout);
  t.equal(end, 'truncated');
  t.same(names, (await undisturbed).names.slice(0, names.length));
});

t.test('-o leaves no file under its name, and the same line then makes it', async (t) => {
  const path = join(folder, 'orders.parquet');
  for (const place of [
    'to-parquet.after-batch=kill@3',
    'to-parquet.before-footer=kill',
    'to-parquet.before-footer=throw',
  ]) {
    const ended = await run('to-parquet', ['-o', path], { stdin, env: { TABLEPIPE_UNSAFE_FAILPOINTS: place } });
    t.not(ended.code, 0);
    t.notOk(readdirSync(folder).includes('orders.parquet'), place);
  }
  demandCode(await run('to-parquet', ['-o', path], { stdin }));
  t.ok(readdirSync(folder).includes('orders.parquet'));
});

t.test('its archive cut at any byte is told from a whole one', async (t) => {
  const archive = await convertedTar(textArrow(['a', 'b', 'c', 'd'], { cursor: true }), { fileRows: 2 });
  const { names } = await read(archive);
  t.equal(names.length, 2);
  for (let length = 0; length < archive.length; length += 1) {
    const cut = await read(archive.subarray(0, length));
    if (cut.end !== 'truncated') t.fail(`cut at ${length}: ${cut.end}`);
    if (cut.names.some((name, index) => name !== names[index])) t.fail(`cut at ${length}: ${cut.names.join(', ')}`);
  }
});
