/**
 * The rows of a table in the order of a key, page by page: never one long query, so nothing waits on a slow reader and
 * any row is a place to go on from. A connection that is lost is opened again, and reading goes on after the last row
 * that was handed out, so a server restart is a pause.
 */
import type { Position } from '../end-record.js';
import { failpoint } from '../failpoint.js';
import type { MysqlSession } from '../mysql-session.js';
import type { RowBatch } from './mysql-rows.js';
import { PageReader, type PageShape, type Sessions, type Statement } from './page-reader.js';

export interface PageRead {
  shape: PageShape;
  since: Position | null;
  /** Rows of one statement; null = one statement for everything. */
  pageRows: number | null;
  /** Rows in all; null = no limit. */
  limit: number | null;
  /** The rows after a position, at most so many (null = all), up to and with another position (null = no end). */
  page(position: Position | null, rows: number | null, last: Position | null): Statement;
  /** The position of the nth row after a position: one row from the index alone, or none. */
  boundary(position: Position | null, rows: number): Statement;
  /** How many rows (`n`) stand at a position; null where a key says that it is one. */
  ties: ((position: Position) => Statement) | null;
}

/** Reads all pages. Memory: what {@link queryBatches} holds. Closing early ends the query on the server. */
export async function* mysqlPages(
  sessions: Sessions,
  first: MysqlSession,
  read: PageRead,
  signal: AbortSignal,
): AsyncGenerator<RowBatch> {
  const reader = new PageReader(sessions, first, read.shape, signal);
  let position = read.since;
  let left = read.limit ?? Number.POSITIVE_INFINITY;
  try {
    while (left > 0) {
      const wanted = Math.min(read.pageRows ?? Number.POSITIVE_INFINITY, left);
      let got = 0;
      const next = (): Statement => read.page(position, Number.isFinite(wanted) ? wanted - got : null, null);
      for await (const batch of reader.page(next)) {
        got += batch.rows;
        position = batch.last;
        yield batch;
      }
      left -= got;
      await failpoint('mysql-extract.after-page');
      if (got < wanted) return;
      if (read.ties && position !== null) await reader.demandSole(read.ties(position));
    }
  } finally {
    await reader.close();
  }
}
