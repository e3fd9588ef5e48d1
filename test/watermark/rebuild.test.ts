import { crc32 } from 'node:zlib';
import t from 'tap';
import type { Position } from '../../src/end-record.js';
import type { FileProvenance } from '../../src/provenance.js';
import type { Objects } from '../../src/watermark/objects.js';
import { provenanceIn } from '../../src/source/objects.js';
import { rebuild, rebuiltState } from '../../src/watermark/rebuild.js';
import { parquetFile } from './parquet-file.js';
import { said } from './said.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const TABLE = 'shop.orders';
const UNTIL = '2024-01-01 00:00:00.000000';

type File = [name: string, from: Position | null, to: Position, more?: Partial<FileProvenance>];

/** A lake in memory. */
function lake(files: readonly File[]): Objects {
  const held = new Map(
    files.map(([name, from, to, more]) => [`s3://lake/${name}`, parquetFile(TABLE, from, to, 10, more)]),
  );
  const bytesOf = (url: string): Buffer => Buffer.from(held.get(url) ?? []);
  return {
    look: async (url) => ({ bytes: bytesOf(url).length }),
    checksum: async (url) => crc32(bytesOf(url)).toString(16).padStart(8, '0'),
    provenance: async (url) =>
      provenanceIn({ byteLength: bytesOf(url).length, read: async (start, end) => bytesOf(url).subarray(start, end) }),
    async *below() {
      yield* [...held.keys()].sort();
    },
  };
}

const load = (name: string, from: string | null, to: string): File => [
  name,
  from === null ? null : [from],
  [to],
  { read: 'backfill' },
];
const columns = { cursor_columns: ['update_at', 'id'] };
const names = (receipts: readonly { url: string }[]): string[] => receipts.map(({ url }) => url.slice(10));
const run = (files: readonly File[]) => rebuild(lake(files), 's3://lake/', TABLE, 'r');

t.test('a first load and the reads after it: both are pending, and the cursor is where the reads ended', async (t) => {
  const found = await run([
    load('a', null, '5'),
    load('b', '5', '9'),
    ['c', [UNTIL], ['2024-01-02 00:00:00.000000', '3'], columns],
    ['d', ['2024-01-02 00:00:00.000000', '3'], ['2024-01-03 00:00:00.000000', '1'], columns],
    load('orphan', '5', '7'),
  ]);
  t.same([names(found.backfill), names(found.incremental), found.gaps], [['a', 'b'], ['c', 'd'], 0]);
  t.same(names(found.outside.map((url) => ({ url }))), ['orphan']);
  t.same(
    [...found.backfill, ...found.incremental].map(({ seq }) => seq),
    [0, 1, 2, 3],
  );
  t.match(rebuiltState(found, 1, 'now'), {
    cursor: ['2024-01-03 00:00:00.000000', '1'],
    cursor_columns: columns.cursor_columns,
    pending_files: 4,
    mysql_rows_extracted: 40,
    mysql_status: 'success',
    backfill: { to: ['9'], until: UNTIL, status: 'complete' },
  });
});

t.test('loaded objects that were cleaned away leave gaps, which are counted', async (t) => {
  const found = await run([load('b', '5', '9'), load('d', '12', '15'), ['e', [UNTIL], [UNTIL, '3'], columns]]);
  t.same([names(found.backfill), found.gaps], [['b', 'd'], 2]);
});

t.test('of several series the one that begins first: too low a cursor only repeats work', async (t) => {
  const found = await run([
    ['a', null, ['3']],
    ['b', ['3'], ['6']],
    ['far', ['100'], ['200']],
    ['farther', ['200'], ['300']],
    ['farthest', ['300'], ['400']],
  ]);
  t.same(names(found.incremental), ['a', 'b']);
  t.same(rebuiltState(found, 1, 'now').cursor, ['6']);
});

t.test('a first load alone does not say up to when it was read, and is refused; so is nothing', async (t) => {
  t.match(await said(() => run([load('a', null, '5')])), /^no-input: .*only objects of the first load.*from the start/);
  t.match(await said(() => run([])), /^no-input: there is no Parquet object/);
});

t.test('a series of 500 objects, and one that bites its tail', async (t) => {
  const long = Array.from(
    { length: 500 },
    (_, n): File => [String(n).padStart(6, '0'), n === 0 ? null : [String(n)], [String(n + 1)]],
  );
  t.equal((await run(long)).incremental.length, 500);
  const loop: File[] = [
    ['a', null, ['1']],
    ['b', ['1'], ['2']],
    ['c', ['2'], ['1']],
  ];
  t.same(names((await run(loop)).incremental), ['a', 'b', 'c']);
});
