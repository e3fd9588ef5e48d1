/** What two readers that share no code with the writer make of its files: every codec, dictionaries, statistics. */
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import t from 'tap';
import type { Compression } from '../../src/codec/parquet-file.js';
import { convertedFile } from '../fixture/converted.js';
import { ordersArrow } from '../fixture/orders-arrow.js';
import { duckRows } from '../fixture/parquet-readers.js';

t.setTimeout(120_000);

const ROWS = 5000;
const input = ordersArrow(ROWS, 700);
const CODECS: Record<Compression, string> = { snappy: 'SNAPPY', zstd: 'ZSTD', gzip: 'GZIP', none: 'UNCOMPRESSED' };
const SAID = ['new', 'paid', 'shipped', 'returned'];

const bufferOf = (file: Buffer): ArrayBuffer => Uint8Array.from(file).buffer;

t.test('every compression gives two independent readers every row', async (t) => {
  for (const [compression, codec] of Object.entries(CODECS) as [Compression, string][]) {
    const file = await convertedFile(input, { compression, rowGroupBytes: 64 << 10 });
    const metadata = parquetMetadata(bufferOf(file));
    t.ok(metadata.row_groups.length > 1, `${codec}: ${metadata.row_groups.length} row groups`);
    const codecs = metadata.row_groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.codec));
    t.same([...new Set(codecs)], [codec]);
    const rows = (await parquetReadObjects({ file: bufferOf(file), compressors })) as Record<string, unknown>[];
    t.equal(rows.length, ROWS);
    t.equal(
      rows.findIndex((row, index) => row.id !== BigInt(index + 1) || row.status !== SAID[(index + 1) % 4]),
      -1,
      'hyparquet',
    );
    const [duck] = await duckRows(
      file,
      "SELECT count(*)::INT n, sum(id)::INT ids, count(*) FILTER (status = ['new','paid','shipped','returned'][1 + id % 4])::INT said, max(strlen(note))::INT note FROM $FILE",
    );
    t.same(duck, {
      n: ROWS,
      ids: (ROWS * (ROWS + 1)) / 2,
      said: ROWS,
      note: Math.max(...rows.map(({ note }) => Buffer.byteLength((note as string | null) ?? ''))),
    });
  }
});

t.test('a dictionary where values repeat, none where they do not', async (t) => {
  const { row_groups: groups } = parquetMetadata(bufferOf(await convertedFile(ordersArrow(20_000, 5000))));
  const columns = groups.flatMap((group) => group.columns.map(({ meta_data: meta }) => meta));
  const coded = columns.filter((meta) => meta?.dictionary_page_offset !== undefined);
  t.same(coded.map((meta) => meta?.path_in_schema.join('.') ?? '').sort(), [
    'currency',
    'customer_id',
    'email',
    'is_gift',
    'shipped_on',
    'status',
    'tax_rate',
  ]);
  t.ok(columns.every((meta) => meta?.encodings.every((name) => /^(PLAIN|RLE|RLE_DICTIONARY)$/.test(name))));
});

t.test('chunk statistics say what is in each row group', async (t) => {
  const file = await convertedFile(input, { rowGroupBytes: 64 << 10 });
  const said = await duckRows(
    file,
    "SELECT row_group_id::INT g, path_in_schema c, stats_min_value lo, stats_max_value hi, stats_null_count::INT empty, row_group_num_rows::INT n FROM parquet_metadata($FILE) WHERE path_in_schema IN ('id','status','tax_rate','update_at','note') ORDER BY 1",
  );
  let before = 0;
  for (const group of new Set(said.map(({ g }) => g))) {
    const of = Object.fromEntries(said.filter(({ g }) => g === group).map((one) => [one.c, one]));
    const rows = Number(of.id?.n);
    const ids = Array.from({ length: rows }, (_, row) => before + row + 1);
    t.same([of.id?.lo, of.id?.hi, of.id?.empty], [String(before + 1), String(before + rows), 0]);
    const words = ids.map((id) => SAID[id % 4] ?? '').sort();
    t.same([of.status?.lo, of.status?.hi, of.status?.empty], [words[0], words.at(-1), 0]);
    t.equal(of.tax_rate?.empty, ids.filter((id) => id % 5 === 0).length);
    t.equal(of.note?.empty, ids.filter((id) => id % 3 === 0).length);
    t.ok(String(of.update_at?.lo) <= String(of.update_at?.hi) && String(of.update_at?.lo).startsWith('2024-06-01'));
    before += rows;
  }
  t.equal(before, ROWS);
  const { row_groups: groups } = parquetMetadata(bufferOf(file));
  const [first] = groups[0]?.columns ?? [];
  t.match(first?.meta_data?.statistics, { min_value: 1n, null_count: 0n }, 'hyparquet');
});
