/** A Parquet file written by DuckDB: real dictionaries, compression and nesting, by a writer that is not ours. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

export async function duckParquet(select: string, codec = 'snappy'): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'duck-'));
  try {
    const file = join(folder, 'out.parquet');
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
    const connection = await instance.connect();
    await connection.run(`COPY (${select}) TO '${file}' (FORMAT parquet, CODEC '${codec}')`);
    connection.closeSync();
    instance.closeSync();
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
