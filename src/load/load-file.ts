/** The object of a receipt, opened for loading: pinned to what the receipt says, read a row group at a time. */
import { sourceColumns } from '../column/source-column.js';
import { Failure } from '../errors.js';
import { type ObjectAccess, openObject } from '../source/object.js';
import type { OpenFile } from './warehouse.js';

/** Opens objects with one access to the stores. */
export function loadFiles(access: ObjectAccess): OpenFile {
  return async (receipt) => {
    const { openParquet, parquetBatches } = await import('../codec/parquet-batches.js');
    const object = await openObject(receipt.url, access);
    try {
      if (object.byteLength !== receipt.bytes) {
        throw new Failure('data', `${receipt.url} has ${object.byteLength} bytes, its receipt says ${receipt.bytes}`, {
          hint: 'The object was replaced after it was stored.',
        });
      }
      if (object.crc32 !== undefined && object.crc32 !== receipt.crc32) {
        throw new Failure('data', `${receipt.url}: the store's checksum is not the receipt's`, {
          hint: 'The object was replaced after it was stored.',
        });
      }
      const parquet = await openParquet(object);
      return {
        receipt,
        columns: sourceColumns(parquet.schema, parquet.provenance?.columns),
        rows: parquet.rows,
        footer: parquet.footer,
        batches: () => parquetBatches(parquet),
        close: () => object.close(),
      };
    } catch (error) {
      await object.close();
      throw error;
    }
  };
}
