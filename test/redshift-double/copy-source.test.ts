/** Rules 6 to 16 of reference/redshift.md section 7: manifests, keys, and what an object must be. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { type Cluster, startCluster } from './cluster.js';
import { duckParquet } from './duckdb-file.js';
import { type FixtureOptions, parquetFixture, SHAPE } from './parquet-fixture.js';

const cluster: Cluster = await startCluster(t);
await cluster.sql('CREATE TABLE t (id INTEGER)');
const column = { name: 'id', ...SHAPE.int32, values: [1, 2, 3] };
const entry = await cluster.putParquet('data/one.parquet', [column]);
const length = entry.meta?.content_length ?? 0;

async function refusedManifest(entries: unknown): Promise<{ code: string; message: string; detail: string }> {
  const url = await cluster.put('bad.manifest', typeof entries === 'string' ? entries : JSON.stringify({ entries }));
  return cluster.refusal(cluster.copySql('t', url, 'MANIFEST'));
}

async function loads(entries: readonly unknown[]): Promise<number> {
  await cluster.sql(cluster.copySql('t', await cluster.putManifest('good.manifest', entries), 'MANIFEST'));
  return Number(await cluster.value('SELECT pg_last_copy_count()'));
}

t.test('6. MANIFEST: one object, valid JSON, an array of entries', async (t) => {
  t.equal(await loads([entry]), 3);
  t.match(await refusedManifest('not json'), { detail: /code: +15003[^]*not a valid JSON object/ });
  t.match(await refusedManifest('[]'), { detail: /15003/ });
  t.match(await refusedManifest('{"files":[]}'), { detail: /15003[^]*entries/ });
  const absent = cluster.copySql('t', cluster.url('nowhere.manifest'), 'MANIFEST');
  t.match(await cluster.refusal(absent), { code: 'XX000', detail: /15003/ });
});

t.test('7. a manifest without the word MANIFEST is read as data', async (t) => {
  const url = await cluster.putManifest('forgotten.manifest', [entry]);
  t.match(await cluster.refusal(cluster.copySql('t', url)), {
    message: 'Spectrum Scan Error',
    detail: /invalid version number/,
  });
});

t.test('8. every entry: the full key, and meta with content_length', async (t) => {
  const text = "File entry does not have 'meta' key.";
  t.match(await refusedManifest([{ url: entry.url, mandatory: true }]), { detail: /15003/ });
  t.match((await refusedManifest([{ url: entry.url }])).detail, text);
  t.match(await refusedManifest([{ ...entry, meta: {} }]), { detail: /15003/ });
  t.match(await refusedManifest([{ ...entry, meta: { content_length: String(length) } }]), { message: /UNVERIFIED/ });
  t.match(await refusedManifest([{ ...entry, url: cluster.url('data/') }]), { detail: /8001[^]*full object path/ });
  t.match(await refusedManifest([{ meta: { content_length: 1 } }]), { detail: /15003/ });
});

t.test('9. content_length is the exact size', async (t) => {
  const sized = (bytes: number): unknown => ({ ...entry, meta: { content_length: bytes } });
  t.match(await refusedManifest([sized(length + 1)]), { detail: /416[^]*InvalidRange/ });
  t.match(await refusedManifest([sized(length - 1)]), { detail: /invalid version number/ });
  t.match(await refusedManifest([sized(0)]), { detail: /invalid version number/ });
  t.equal(await loads([sized(length)]), 3);
});

t.test('10. mandatory and missing fails; not mandatory is skipped; nothing left fails', async (t) => {
  const gone = { ...entry, url: cluster.url('data/gone.parquet') };
  const before = await cluster.value('SELECT count(*) FROM t');
  t.match(await refusedManifest([entry, gone]), { code: 'XX000', message: 'Spectrum Scan Error: File not found' });
  t.equal(await cluster.value('SELECT count(*) FROM t'), before, 'no row of the file that exists');
  t.equal(await loads([entry, { ...gone, mandatory: false }]), 3);
  t.match(await refusedManifest([{ ...gone, mandatory: false }]), { code: 'XX000' });
  t.match(await refusedManifest([]), { code: 'XX000' });
});

t.test('11. an entry listed twice loads twice, and so does the same COPY again', async (t) => {
  t.equal(await loads([entry, entry]), 6);
  const before = Number(await cluster.value('SELECT count(*) FROM t'));
  t.equal(await loads([entry]), 3);
  t.equal(await loads([entry]), 3);
  t.equal(await cluster.value('SELECT count(*) FROM t'), String(before + 6));
});

t.test('12. without MANIFEST the path is a prefix; a prefix of nothing is 0 rows', async (t) => {
  await cluster.putParquet('prefix/part-1', [column]);
  await cluster.putParquet('prefix/part-10', [{ ...column, values: [10] }]);
  await cluster.sql(cluster.copySql('t', cluster.url('prefix/part-1')));
  t.equal(await cluster.value('SELECT pg_last_copy_count()'), '4', 'part-10 as well');
  await cluster.sql(cluster.copySql('t', cluster.url('prefix/nothing')));
  t.equal(await cluster.value('SELECT pg_last_copy_count()'), '0');
  const strict = await startCluster(t, { emptyPrefix: 'error' });
  await strict.sql('CREATE TABLE t (id INTEGER)');
  t.match(await strict.refusal(strict.copySql('t', strict.url('nothing'))), { code: 'XX000' });
});

t.test('13. keys are literal, and percent-encoded in error texts', async (t) => {
  for (const name of ['slash//one.parquet', 'CASE/One.parquet', 'per%20cent/one.parquet', 'day=1/one.parquet']) {
    t.equal(await loads([await cluster.putParquet(name, [column])]), 3, name);
  }
  const wrong = await cluster.putParquet('day=1/text.parquet', [{ name: 'id', ...SHAPE.text, values: ['x'] }]);
  t.match((await refusedManifest([wrong])).detail, 'day%3D1/text.parquet');
  for (const name of ['slash/one.parquet', 'case/one.parquet', 'per cent/one.parquet']) {
    t.match(await refusedManifest([{ ...entry, url: cluster.url(name) }]), { message: /File not found/ }, name);
  }
});

t.test('14. keys ending in .gz, .snappy and .bz2 are decompressed as whole files', async (t) => {
  const bytes = parquetFixture([column]);
  const zipped = gzipSync(bytes);
  const as = async (name: string, body: Buffer): Promise<unknown> => ({
    url: await cluster.put(name, body),
    mandatory: true,
    meta: { content_length: body.length },
  });
  t.equal(await loads([await as('whole.parquet.gz', zipped)]), 3);
  for (const name of ['plain.parquet.gz', 'plain.snappy', 'plain.bz2']) {
    t.match(await refusedManifest([await as(name, bytes)]), { message: 'Spectrum Scan Error' }, name);
  }
  t.equal(await loads([await as('inside.gz.parquet', bytes)]), 3, 'only the last suffix counts');
});

t.test('15. every object begins and ends as Parquet and has a footer', async (t) => {
  const bytes = parquetFixture([column]);
  await cluster.put('marked/one.parquet', bytes);
  await cluster.put('marked/_SUCCESS', '');
  const before = await cluster.value('SELECT count(*) FROM t');
  t.match(await cluster.refusal(cluster.copySql('t', cluster.url('marked/'))), { detail: /invalid version number/ });
  t.equal(await cluster.value('SELECT count(*) FROM t'), before);
  const broken = {
    'no magic at the end': bytes.subarray(0, -4),
    'no magic at the start': Buffer.concat([Buffer.from('XXXX'), bytes.subarray(4)]),
    'a damaged footer': Buffer.concat([bytes.subarray(0, -40), Buffer.alloc(32, 0xff), bytes.subarray(-8)]),
    'half a file': bytes.subarray(0, bytes.length >> 1),
  };
  for (const [what, body] of Object.entries(broken)) {
    const url = await cluster.put('broken.parquet', body);
    t.match(
      await refusedManifest([{ url, mandatory: true, meta: { content_length: body.length } }]),
      { code: 'XX000', message: /^Spectrum Scan Error/, detail: /(invalid version number|corrupt metadata)/ },
      what,
    );
  }
  await cluster.putParquet('late.parquet', [column], { dictionaryLast: true });
  t.match(await cluster.refusal(cluster.copySql('t', cluster.url('late.parquet'))), { detail: /corrupt metadata/ });
});

t.test('16. codecs, encodings and page versions nobody has confirmed are refused', async (t) => {
  const refuses = async (options: FixtureOptions, encoding?: 'DELTA_BINARY_PACKED' | 'BYTE_STREAM_SPLIT') => {
    const columns = [{ ...column, ...(encoding === undefined ? {} : { encoding }) }];
    return (await cluster.refusal(await cluster.load('t', columns, '', options))).message;
  };
  for (const codec of ['LZO', 'BROTLI', 'LZ4', 'LZ4_RAW'] as const) t.match(await refuses({ codec }), /UNVERIFIED/);
  t.match(await refuses({}, 'DELTA_BINARY_PACKED'), /UNVERIFIED.*unsupported encoding/);
  t.match(await refuses({}, 'BYTE_STREAM_SPLIT'), /UNVERIFIED/);
  t.match(await refuses({ pageV2: true }), /UNVERIFIED: data page version 2/);
  await cluster.sql(await cluster.load('t', [column], '', { codec: 'GZIP' }));
  await cluster.sql('CREATE TABLE words (id INTEGER, word VARCHAR(20), price DECIMAL(12,2))');
  for (const codec of ['snappy', 'zstd', 'gzip', 'uncompressed']) {
    const sql = `SELECT i::INTEGER AS id, 'w' || (i % 5) AS word, (i / 100)::DECIMAL(12,2) AS price FROM range(3000) r(i)`;
    await cluster.put(`codec/${codec}.parquet`, await duckParquet(sql, codec));
    await cluster.sql(cluster.copySql('words', cluster.url(`codec/${codec}.parquet`)));
    t.equal(await cluster.value('SELECT pg_last_copy_count()'), '3000', codec);
  }
  t.match(await cluster.value('SELECT sum(price) FROM words'), /^\d+\.\d{2}$/);
});
