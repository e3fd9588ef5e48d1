/** `from-parquet` and large files: what is fetched of an object, and how much is held in memory. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import t from 'tap';
import { duckFile } from '../fixture/duck-file.js';
import { peakMiB } from '../support/memory-peak.js';
import { demandCode, run, start } from '../support/program.js';
import { S3Scratch, chunksOf } from '../support/s3-scratch.js';
import { jsonLines } from '../support/json-lines.js';

t.setTimeout(290_000);
const s3 = await S3Scratch.open(10_000);
const dir = await mkdtemp(join(tmpdir(), 'from-parquet-'));
t.teardown(async () => {
  await s3.close();
  await rm(dir, { recursive: true, force: true });
});
const { env } = s3;

t.test('--schema, --metadata, --stats and --head of an object fetch only what they need', async (t) => {
  // 20 MB of text that does not compress, in row groups of 2 MB, and the same in a single one.
  const text = Array.from({ length: 50_000 }, () => randomBytes(200).toString('hex'));
  const columnData = [
    { name: 'id', data: text.map((_, index) => index), type: 'INT32' as const },
    { name: 'text', data: text, type: 'STRING' as const },
  ];
  const views: [string[], requests: number, bytes: number][] = [
    [['--schema'], 2, 65_536],
    [['--metadata'], 2, 65_536],
    [['--stats'], 2, 65_536],
  ];
  const head: [string[], number, number] = [['--head', '10'], 8, 2_000_000];
  for (const [rowGroupSize, cases] of [
    [5_000, [head]],
    [50_000, [...views, head]],
  ] as const) {
    const file = Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize }));
    t.ok(file.length > 15e6, `${file.length} bytes`);
    const url = await s3.stored(file);
    for (const [words, requests, bytes] of cases) {
      s3.faults.clear();
      const { stdout } = demandCode(await run('from-parquet', [url, ...words], { env }));
      const { requests: seen } = s3.faults;
      const answered = s3.faults.answered();
      t.ok(seen.length <= requests, `${words.join(' ')}: ${seen.length} requests`);
      t.ok(answered <= bytes, `${words.join(' ')}: ${answered} bytes of ${file.length}`);
      if (words[0] === '--head') t.equal(jsonLines(stdout)[9]?.text, text[9]);
    }
  }
});

t.test('memory stays bounded: many row groups, one large row group, from a file and from a pipe', async (t) => {
  const many = join(dir, 'many.parquet');
  await duckFile(many, 'SELECT i id, repeat(md5(i::VARCHAR), 4) t FROM range(400000) r(i)', 'ROW_GROUP_SIZE 20000');
  const long = Array.from({ length: 200_000 }, (_, index) => `${index} `.padEnd(400, randomBytes(100).toString('hex')));
  const columnData = [
    { name: 'id', data: long.map((_, index) => BigInt(index)), type: 'INT64' as const },
    { name: 'text', data: long, type: 'STRING' as const },
  ];
  const one = Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: long.length, codec: 'UNCOMPRESSED' }));
  // Held as a whole it would be there three times over.
  const large = join(dir, 'large.parquet');
  await writeFile(large, one);
  const cases: [string, string[], string?][] = [
    ['many row groups', [many, '--format', 'arrow']],
    [`one row group of ${one.length >> 20} MiB`, [large, '--bare']],
    ['the same from a pipe', ['--format', 'csv'], large],
  ];
  let texts = '';
  for (const [what, words, stdin] of cases) {
    const child = start('from-parquet', [...words, '--temp-dir', dir], { env });
    const peak = peakMiB(child);
    if (stdin === undefined) child.stdin?.end();
    else
      for await (const chunk of chunksOf(await readFile(stdin), 1 << 20)) {
        if (!child.stdin?.write(chunk)) await new Promise((resolve) => child.stdin?.once('drain', resolve));
      }
    child.stdin?.end();
    let bytes = 0;
    child.stdout?.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (words.includes('--bare')) texts += chunk.toString('latin1');
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    t.equal(code, 0, what);
    t.ok(bytes > 50e6, `${what}: ${bytes} bytes came out`);
    t.ok((await peak) < 256, `${what}: ${await peak} MiB`);
  }
  const rows = jsonLines(demandCode(await run('from-parquet', [large, '--bare'])).stdout);
  t.ok(
    rows.every(({ id, text }, index) => id === index && text === long[index]),
    'no row is lost between windows',
  );
});
