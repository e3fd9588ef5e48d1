/** The reading and writing behind `mysql-extract`, once everything is decided. */
import type { Invocation } from '../cli/command.js';
import { parseCount, parseDuration } from '../cli/parse.js';
import { type EndFacts, type RowFormat, rowStream } from '../codec/stream-format.js';
import { schemaOfPlans } from '../column/from-mysql.js';
import type { EndRecord, Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { MysqlSession, Row } from '../mysql-session.js';
import type { Extract } from '../plan/extract.js';
import { type ReadPlan, boundaryStatement, positionOf, statement, tiesStatement } from '../plan/read-plan.js';
import { PROVENANCE_KEY, type Provenance } from '../provenance.js';
import { onReaderLeft, stdout } from '../sink/stdout.js';
import { type PageRead, mysqlPages } from '../source/mysql-pages.js';
import type { Sessions, Statement } from '../source/page-reader.js';
import { parallelPages } from '../source/mysql-parallel.js';
import type { RowBatch } from '../source/mysql-rows.js';
import { readAhead } from '../source/read-ahead.js';
import { type Source, runThrough } from '../stage.js';
import { sessions } from './mysql-sessions.js';
import type { MysqlServer } from './mysql-source.js';

export interface Reading {
  server: MysqlServer;
  /** Ended by the reading, however that goes. */
  session: MysqlSession;
  extract: Extract;
  output: RowFormat;
  invocation: Invocation;
}

/** Rows and bytes of one batch: small enough that a few fit anywhere, large enough that none is felt. */
const BATCH = { rows: 16_384, bytes: 4 * 2 ** 20 };

/** Reads and writes until the end; the stream says how it ended. On every way out, no query is left on the server. */
export async function streamExtract({
  server,
  session,
  extract: { plan },
  output,
  invocation,
}: Reading): Promise<void> {
  const { flags, signal, words, runId } = invocation;
  const tag = `/* tablepipe ${runId.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 64)} */ `;
  const provenance = JSON.stringify(provenanceOf(plan, runId));
  const schema = schemaOfPlans(plan.columns, new Map([[PROVENANCE_KEY, provenance]]));
  const idleMs = parseDuration(flags.text('idle-timeout') ?? '60s', '--idle-timeout');
  const most = flags.text('limit');
  const limit = most === undefined ? null : parseCount(most, '--limit', 0);
  const read = pageRead(plan, schema, { idleMs, tag, limit });
  const patienceMs = parseDuration(flags.text('retry-max-time') ?? '5m', '--retry-max-time');
  const lent = sessions(server, tag, patienceMs, words);
  const parallel = parseCount(flags.text('parallel') ?? '1', '--parallel');
  const rows = readAhead(rowsOf(lent, session, read, plan, parallel), 1);
  const onEnd = async (record: EndRecord): Promise<void> => {
    await failpoint('mysql-extract.before-end');
    words.detail(`${record.rows} rows, ${record.bytes} bytes`);
  };
  // A reader that leaves while we wait for the server is noticed here, not at the next write.
  const left = new AbortController();
  onReaderLeft(() => left.abort(new Failure('reader-left', 'the reader of stdout went away')));
  const codec = rowStream(output, schema, endFacts(plan, runId), limit, onEnd);
  try {
    await runThrough(rows, codec, stdout(), AbortSignal.any([signal, left.signal]));
  } finally {
    await lent.settled();
  }
}

interface PageSettings {
  idleMs: number;
  /** The comment in front of every statement. */
  tag: string;
  limit: number | null;
}

function pageRead(plan: ReadPlan, schema: PageRead['shape']['schema'], settings: PageSettings): PageRead {
  const { idleMs, tag, limit } = settings;
  const indexOf = (name: string): number => plan.columns.findIndex((column) => column.name === name);
  const tagged = ({ sql, values }: Statement): Statement => ({ sql: tag + sql, values });
  return {
    shape: {
      table: plan.table,
      plans: plan.columns,
      schema,
      position: plan.key.map(({ name }) => indexOf(name)),
      key: plan.primaryKey.map(indexOf).filter((index) => index >= 0),
      limits: BATCH,
      idleMs,
    },
    since: plan.since,
    pageRows: plan.pageRows,
    limit,
    page: (position, rows, last) => tagged(statement(plan, position, rows, last)),
    boundary: (position, rows) => tagged(boundaryStatement(plan, position, rows)),
    ties: plan.unique ? null : (position) => tagged(tiesStatement(plan, position)),
  };
}

/** Several connections only where pages can be told apart beforehand; a limit is counted on one. */
function rowsOf(
  lent: Sessions,
  session: MysqlSession,
  read: PageRead,
  plan: ReadPlan,
  parallel: number,
): Source<RowBatch> {
  const { pageRows, limit } = read;
  if (parallel === 1 || pageRows === null || limit !== null || read.ties)
    return (stop) => mysqlPages(lent, session, read, stop);
  const position = (row: Row | undefined): Position | null => positionOf(plan.key, row);
  return (stop) => parallelPages(lent, session, { ...read, pageRows, parallel, positionOf: position }, stop);
}

function endFacts(plan: ReadPlan, runId: string): EndFacts {
  return {
    run_id: runId,
    table: plan.table,
    cursor_columns: plan.key.map(({ name }) => name),
    from: plan.begins,
    until: plan.until && { value: plan.until.value, rule: plan.until.rule },
  };
}

function provenanceOf(plan: ReadPlan, runId: string): Provenance {
  const charset = (text: string | null): string => (text === null ? '' : ` character set ${text}`);
  const types = plan.columns.map((column) => [column.name, `${column.mysqlType}${charset(column.charset)}`] as const);
  return {
    v: 1,
    table: plan.table,
    read: plan.read,
    primary_key: plan.primaryKey,
    cursor_columns: plan.key.map(({ name }) => name),
    from: plan.begins,
    columns: Object.fromEntries(types),
    run_id: runId,
    until: plan.until?.value ?? null,
  };
}
