/**
 * The floor for `to-parquet`: parquet-wasm with the same properties, fed with messages that are in memory already.
 * Usage: bare-encoder.js FILE [TIMES]; the rows of the file so many times.
 */
import { readFileSync } from 'node:fs';
import { ARROW_END } from '../../src/codec/arrow-bytes.js';
import { arrowFrames } from '../../src/codec/arrow-frames.js';
import { parquetWasm } from '../../src/codec/row-group-encoder.js';

/** What `to-parquet` finds out about these columns. */
const WITHOUT_DICTIONARY = ['id', 'amount', 'weight', 'note', 'created_at', 'update_at'];

async function* whole(path: string): AsyncGenerator<Uint8Array> {
  yield readFileSync(path);
}

const { Compression, EnabledStatistics, Table, WriterPropertiesBuilder, transformParquetStream } = parquetWasm();
let schema = new Uint8Array(0);
const batches: Uint8Array[] = [];
for await (const item of arrowFrames()(whole(process.argv[2] ?? ''), new AbortController().signal)) {
  if (item.kind === 'schema') schema = Uint8Array.from(item.bytes);
  if (item.kind === 'batch') batches.push(item.bytes);
}
let builder = new WriterPropertiesBuilder()
  .setCompression(Compression.SNAPPY)
  .setStatisticsEnabled(EnabledStatistics.Chunk)
  .setMaxRowGroupBytes(8 << 20);
for (const name of WITHOUT_DICTIONARY) builder = builder.setColumnDictionaryEnabled(name, false);
const times = Number(process.argv[3] ?? 1);
let next = 0;
const source = new ReadableStream(
  {
    pull(controller) {
      const batch = batches[next % batches.length];
      next += 1;
      if (!batch || next > batches.length * times) return controller.close();
      const table = Table.fromIPCStream(Buffer.concat([schema, batch, ARROW_END]));
      controller.enqueue(table.recordBatch(0));
      table.free();
    },
  },
  { highWaterMark: 0 },
);
let bytes = 0;
for await (const chunk of (await transformParquetStream(
  source,
  builder.build(),
)) as unknown as AsyncIterable<Uint8Array>) {
  bytes += chunk.length;
}
if (bytes === 0) throw new Error('nothing was encoded');
