import t from 'tap';
import { openParquet, parquetBatches } from '../../src/codec/parquet-batches.js';
import { Failure, codeOf } from '../../src/errors.js';
import { convertedFile, convertedTar } from '../fixture/converted.js';
import { ordersArrow } from '../fixture/orders-arrow.js';

t.setTimeout(120_000);

async function statusOf(work: () => Promise<unknown>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return codeOf(error);
  }
}

/** Reads every row of a Parquet file. */
async function readWhole(bytes: Buffer): Promise<number> {
  const read = async (start: number, end: number): Promise<Uint8Array> => bytes.subarray(start, end);
  const file = await openParquet({ url: 'file', byteLength: bytes.length, read });
  let rows = 0;
  for await (const batch of parquetBatches(file)) rows += batch.numRows;
  return rows;
}

t.test('an Arrow stream cut at any byte gives neither a file nor a complete tar', async (t) => {
  const stream = ordersArrow(3, 2);
  for (let length = 0; length < stream.length; length += 1) {
    const cut = stream.subarray(0, length);
    const statuses = [
      await statusOf(() => convertedFile(cut)),
      await statusOf(() => convertedTar(cut, { fileRows: 2 })),
    ];
    if (statuses.some((status) => status !== 82)) t.fail(`cut at ${length}: ${statuses.join(', ')}`);
  }
  t.equal(await statusOf(() => convertedFile(stream)), 0);
});

t.test('a Parquet file cut at any byte is refused', async (t) => {
  const file = await convertedFile(ordersArrow(5, 5));
  t.equal(await readWhole(file), 5);
  for (let length = 0; length < file.length; length += 1) {
    const status = await statusOf(() => readWhole(file.subarray(0, length)));
    if (status !== 82 && status !== 65) t.fail(`cut at ${length}: ${status}`);
  }
});

t.test('a Parquet file with a damaged byte is read whole or refused, and nothing else is thrown', async (t) => {
  const file = await convertedFile(ordersArrow(5, 5));
  const statuses = new Set<number>();
  for (let at = 0; at < file.length; at += 3) {
    const damaged = Buffer.from(file);
    damaged[at] = (damaged[at] ?? 0) ^ 0x55;
    statuses.add(await statusOf(() => readWhole(damaged)));
  }
  t.same(
    [...statuses].filter((status) => ![0, 65, 82].includes(status)),
    [],
  );
  t.ok(statuses.has(65));
});
