/** Bytes of a whole Parquet file into Arrow batches, through parquet-wasm; the rows that come out are counted. */
import { type RecordBatch, RecordBatchReader } from 'apache-arrow';
import { Failure } from '../errors.js';
import { parquetWasm } from './row-group-encoder.js';

/** Rows of one batch. */
const BATCH_ROWS = 8_192;

/** `limit` rows from `offset` on; memory: all of them, decoded. 65 when there are other rows than that. */
export function* decodedRows(url: string, file: Uint8Array, offset: number, limit: number): Generator<RecordBatch> {
  const table = decoded(url, file, offset, limit);
  let rows = 0;
  try {
    for (let index = 0; index < table.numBatches; index += 1) {
      const bytes = table.recordBatch(index)?.intoIPCStream();
      for (const batch of bytes ? RecordBatchReader.from(bytes) : []) {
        rows += batch.numRows;
        yield batch as RecordBatch;
      }
    }
  } finally {
    table.free();
  }
  if (rows !== limit) throw new Failure('data', `${url}: ${rows} rows were decoded where its footer counts ${limit}`);
}

function decoded(url: string, file: Uint8Array, offset: number, limit: number): WasmTable {
  try {
    return parquetWasm().readParquet(file, { offset, limit, batchSize: BATCH_ROWS });
  } catch (error) {
    throw new Failure('data', `${url}: a row group cannot be decoded`, { cause: asError(error) });
  }
}

type WasmTable = ReturnType<ReturnType<typeof parquetWasm>['readParquet']>;

/** What parquet-wasm throws may be a string. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
