/**
 * Several pages at once, handed out in order. The ends of the next pages come from the index alone, which takes
 * milliseconds; each page then lies between two positions, so it does not matter when it is read.
 */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { MysqlSession, Row } from '../mysql-session.js';
import type { PageRead } from './mysql-pages.js';
import { PageReader, type Sessions, type Statement } from './page-reader.js';
import { readAhead } from './read-ahead.js';
import type { RowBatch } from './mysql-rows.js';

export interface ParallelRead extends PageRead {
  pageRows: number;
  /** Connections that read pages; one more finds their ends. */
  parallel: number;
  /** The position in the row a boundary statement returns; null for no row. */
  positionOf(row: Row | undefined): Position | null;
}

/** Batches of a page that are fetched before its turn comes. */
const AHEAD = 4;

/** Reads all pages, `parallel` of them at a time. Memory: {@link AHEAD} batches for each, and what a query holds. */
export async function* parallelPages(
  sessions: Sessions,
  first: MysqlSession,
  read: ParallelRead,
  signal: AbortSignal,
): AsyncGenerator<RowBatch> {
  // One page that fails, or a reader that leaves, stops the others in the middle of their queries.
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  const scout = new PageReader(sessions, first, read.shape, all);
  const readers: PageReader[] = [];
  const lanes: Lane[] = [];
  try {
    for (let lane = 0; lane < read.parallel; lane += 1) {
      const reader = new PageReader(sessions, await sessions.open(all), read.shape, all);
      readers.push(reader);
      lanes.push(new Lane(reader, read, all));
    }
    const ends = readAhead(() => boundaries(scout, read), 1)(all)[Symbol.asyncIterator]();
    const turns: Lane[] = [];
    let more = true;
    for (let turn = 0; more || turns.length > 0; ) {
      while (more && turns.length < lanes.length) {
        const next = await ends.next();
        if (next.done) {
          more = false;
          break;
        }
        const lane = lanes[turn % lanes.length] as Lane;
        lane.start(next.value);
        turns.push(lane);
        turn += 1;
      }
      const lane = turns.shift();
      if (!lane) break;
      yield* lane.batches();
      await failpoint('mysql-extract.after-page');
    }
  } finally {
    stop.abort(new Failure('reader-left', 'nobody wants the other pages'));
    await Promise.allSettled([...lanes.map((lane) => lane.stop()), scout.close()]);
    await Promise.allSettled(readers.map((reader) => reader.close()));
  }
}

interface Span {
  after: Position | null;
  /** Inclusive; null = whatever follows. */
  last: Position | null;
}

/** The spans of the pages, in order; the last one has no end. */
async function* boundaries(scout: PageReader, read: ParallelRead): AsyncGenerator<Span> {
  let after = read.since;
  for (;;) {
    const [row] = await scout.ask(read.boundary(after, read.pageRows));
    const last = read.positionOf(row);
    yield { after, last };
    if (last === null) return;
    after = last;
  }
}

/** One connection and the page it reads. */
class Lane {
  private page: AsyncIterator<RowBatch> | undefined;
  private first: Promise<IteratorResult<RowBatch>> | undefined;

  constructor(
    private readonly reader: PageReader,
    private readonly read: ParallelRead,
    private readonly signal: AbortSignal,
  ) {}

  /** Begins to fetch a page. */
  start(span: Span): void {
    this.page = readAhead(() => this.rows(span), AHEAD)(this.signal)[Symbol.asyncIterator]();
    this.first = this.page.next();
    this.first.catch(() => {});
  }

  async *batches(): AsyncGenerator<RowBatch> {
    for (let next = await this.first; next && !next.done; next = await this.page?.next()) yield next.value;
    this.page = undefined;
  }

  async stop(): Promise<void> {
    await this.page?.return?.();
  }

  /** A page with an end is one statement; what follows the last known end is read page by page. */
  private async *rows({ after, last }: Span): AsyncGenerator<RowBatch> {
    let position = after;
    for (;;) {
      let got = 0;
      const rows = last === null ? this.read.pageRows : null;
      const next = (): Statement => this.read.page(position, rows === null ? null : rows - got, last);
      for await (const batch of this.reader.page(next)) {
        got += batch.rows;
        position = batch.last;
        yield batch;
      }
      if (rows === null || got < rows) return;
    }
  }
}
