/** COPY … FROM STDIN: chunks into a PostgreSQL connection, at the pace the server takes them. */
import type { Client } from 'pg';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Runs one COPY statement inside the connection's transaction and resolves to the rows the server counted. Rejects
 * with the server's error, or with the source's after the server has dropped what it got.
 * Memory: one chunk beside what the socket holds.
 */
export async function postgresCopy(
  client: Client,
  statement: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  const { from } = await import('pg-copy-streams');
  const copy = client.query(from(statement, { highWaterMark: 1 }));
  await pipeline(Readable.from(chunks, { highWaterMark: 1 }), copy, { signal });
  return copy.rowCount;
}
