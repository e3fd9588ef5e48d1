/** `mysql-extract`: a table or a query as a stream of rows in cursor order. */
import type { Command, Invocation } from '../cli/command.js';
import { type TableName, parseChoice, parseTable } from '../cli/parse.js';
import type { EndFacts, RowFormat } from '../codec/stream-format.js';
import { Failure } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { mysqlFailure } from '../mysql-failure.js';
import type { MysqlSession } from '../mysql-session.js';
import type { Extract, ExtractRequest } from '../plan/extract.js';
import { refuseTerminal, stdoutIsTerminal, writeStdout } from '../sink/stdout.js';
import { READ_FLAGS, extractRequest } from './extract-options.js';
import { MYSQL_FLAGS, type MysqlServer, mysqlServer } from './mysql-source.js';

const FORMATS = ['arrow', 'ndjson', 'singer'] as const;
type Format = (typeof FORMATS)[number];

const command: Command = {
  summary: 'read a MySQL table in cursor order, from a watermark up to a settled bound',
  usage: 'TABLE [flags]',
  examples: [
    'mysql-extract shop.orders --since "$(wm get shop.orders --format cursor)" | to-parquet --split-size 64MiB | s3-put s3://lake/incremental/ | wm advance shop.orders | rs-copy analytics.orders --from-store shop.orders',
    'mysql-extract shop.orders --limit 3',
    'mysql-extract shop.orders --explain-types',
    'mysql-extract shop.orders --cursor none | to-parquet -o orders.parquet',
    "mysql-extract shop.totals --query 'SELECT status, SUM(amount) AS total FROM shop.orders GROUP BY status' --format ndjson --bare",
  ],
  flags: [
    ...READ_FLAGS,
    { name: 'format', value: 'FORMAT', default: 'ndjson on a terminal, else arrow', help: 'arrow, ndjson, or singer' },
    { name: 'bare', help: 'NDJSON without the end record' },
    { name: 'explain-types', help: 'print what every column becomes, and read nothing' },
    { name: 'dry-run', short: 'n', help: 'print the plan, and read nothing' },
    { name: 'retry-max-time', value: 'TIME', default: '5m', help: 'how long to try to get a lost connection back' },
    ...MYSQL_FLAGS,
  ],
  run,
};

export default command;

async function run(invocation: Invocation): Promise<void> {
  const { flags, signal, words } = invocation;
  const format = formatOf(invocation);
  const named = tableOf(invocation);
  const name = typeof named === 'string' ? named : `${named.schema}.${named.table}`;
  const outputOf = (): Promise<RowFormat> =>
    rowFormat(format, flags.on('bare') || (format === 'ndjson' && stdoutIsTerminal()), name);
  const facts: EndFacts = { run_id: invocation.runId, table: name, cursor_columns: [], from: null };
  let server: MysqlServer | undefined;
  let session: MysqlSession | undefined;
  let started = false;
  try {
    const request = extractRequest(invocation);
    server = await mysqlServer(invocation);
    // The rest of the program is loaded while the server answers.
    const [opened, { streamExtract }] = await Promise.all([
      server.open(signal),
      import('./extract-stream.js'),
      import('../plan/extract.js'),
    ]);
    session = opened;
    words.debug(`connected to ${server.place}, version ${session.version}, connection ${session.id}`);
    await failpoint('mysql-extract.connected');
    const extract = await planned(session, named, request, invocation);
    tellPlan(extract, invocation);
    if (flags.on('explain-types') || flags.on('dry-run')) {
      await writeStdout(await described(extract, flags.on('explain-types')));
      return await session.end();
    }
    const reading = { server, session, extract, output: await outputOf(), invocation };
    session = undefined;
    started = true;
    await streamExtract(reading);
  } catch (error) {
    const failure = signal.aborted ? signal.reason : mysqlFailure(error, `reading ${name}`);
    if (!started && !stdoutIsTerminal()) {
      const { abortedStream } = await import('../codec/stream-format.js');
      for (const part of abortedStream(await outputOf(), facts, failure)) await writeStdout(part).catch(() => {});
    }
    throw failure;
  } finally {
    await session?.end();
    server?.close();
  }
}

function formatOf({ flags }: Invocation): Format {
  const format = parseChoice(flags.text('format') ?? (stdoutIsTerminal() ? 'ndjson' : 'arrow'), '--format', FORMATS);
  const reads = !flags.on('explain-types') && !flags.on('dry-run');
  if (format === 'arrow' && reads)
    refuseTerminal('an Arrow stream', 'Pipe it into to-parquet, or add --format ndjson --limit 20.');
  if (flags.on('bare') && format !== 'ndjson')
    throw new Failure('usage', `--bare does not go with ${format}: only NDJSON has a form without its end`);
  return format;
}

/** The table, or the name of a query's result. */
function tableOf({ operands, flags }: Invocation): TableName | string {
  const [text, ...more] = operands;
  const query = flags.text('query') !== undefined;
  if (more.length > 0 || (text === undefined && !query)) {
    throw new Failure('usage', more.length > 0 ? `one table expected, got ${operands.length}` : 'no table given', {
      hint: 'Write: mysql-extract SCHEMA.TABLE.',
    });
  }
  return query ? (text ?? 'query') : parseTable(text ?? '');
}

async function rowFormat(format: Format, bare: boolean, name: string): Promise<RowFormat> {
  const { arrowFormat, ndjsonFormat, singerFormat } = await import('../codec/stream-format.js');
  if (format === 'arrow') return arrowFormat;
  return format === 'ndjson' ? ndjsonFormat(bare) : singerFormat(name.replaceAll('.', '-'));
}

async function planned(
  session: MysqlSession,
  named: TableName | string,
  request: ExtractRequest,
  { flags, signal }: Invocation,
): Promise<Extract> {
  const { planQuery, planTable } = await import('../plan/extract.js');
  const { existingTable } = await import('./existing-table.js');
  if (typeof named === 'string') return planQuery(session, named, flags.text('query') ?? '', request, signal);
  return planTable(session, await existingTable(session, named), request, signal);
}

function tellPlan({ plan, verdict, caveat }: Extract, { words }: Invocation): void {
  const order = plan.key.map(({ name }) => name).join(', ') || 'no order';
  words.detail(`${plan.read} read of ${plan.table} by ${order}; ${verdict.text}`);
  if (plan.until) words.detail(`up to ${plan.until.value}: ${plan.until.rule}`);
  if (caveat !== undefined) words.warn(caveat);
}

async function described(extract: Extract, types: boolean): Promise<string> {
  const { typeTable, planRecord } = await import('./extract-report.js');
  return types ? typeTable(extract.plan) : `${JSON.stringify(planRecord(extract))}\n`;
}
