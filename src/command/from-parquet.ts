/** `from-parquet`: looks inside Parquet files, wherever they are, fetching only what is asked for. */
import { resolve } from 'node:path';
import type { Command, Invocation } from '../cli/command.js';
import { parseChoice, parseCount } from '../cli/parse.js';
import type { ByteRanges, OpenedParquet } from '../codec/parquet-batches.js';
import { connectS3 } from '../connect/s3.js';
import { Failure } from '../errors.js';
import { Spool } from '../sink/spool.js';
import { refuseTerminal, stdoutIsTerminal, writeStdout } from '../sink/stdout.js';
import { openObject } from '../source/object.js';
import { stdinBytes } from '../source/stdin.js';
import { interruptible } from '../stage.js';

const FORMATS = ['ndjson', 'arrow', 'csv'] as const;
const VIEWS = ['schema', 'stats', 'metadata'] as const;

const command: Command = {
  summary: 'look inside Parquet: rows as NDJSON, Arrow or CSV; schema, statistics, metadata',
  usage: '[FILE | s3://BUCKET/KEY ...] [flags]   (stdin without a file, or for -)',
  examples: [
    'from-parquet --head 10 orders.parquet',
    'from-parquet --schema s3://lake/incremental/orders.parquet',
    'from-parquet --format arrow orders.parquet | to-parquet --compression zstd -o smaller.parquet',
    'mysql-extract shop.orders | to-parquet | from-parquet --stats',
  ],
  flags: [
    { name: 'format', value: 'NAME', default: 'ndjson', help: FORMATS.join(', ') },
    { name: 'head', short: 'n', value: 'N', help: 'the first N rows' },
    { name: 'schema', help: 'table, keys and columns, as JSON that `to-parquet --schema` reads' },
    { name: 'stats', help: 'one JSON line a row group: bytes, NULLs, least and greatest value of each column' },
    { name: 'metadata', help: 'size, rows, writer and key-value metadata, as JSON' },
    { name: 'bare', help: 'NDJSON without its end record' },
    { name: 'endpoint-url', value: 'URL', env: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'], help: 'S3 endpoint' },
    {
      name: 'temp-dir',
      value: 'DIR',
      env: ['TMPDIR'],
      default: '/tmp',
      help: 'where stdin waits once it is larger than 16 MiB',
    },
  ],
  async run(invocation) {
    const { flags, operands } = invocation;
    const format = parseChoice(flags.text('format') ?? 'ndjson', '--format', FORMATS);
    const head = flags.text('head');
    const limit = head === undefined ? undefined : parseCount(head, '--head', 0);
    const views = VIEWS.filter((view) => flags.on(view));
    if (views.length > 1) throw new Failure('usage', `--${views[0]} and --${views[1]} exclude each other`);
    if (format === 'arrow' && views.length === 0) refuseTerminal('Arrow', 'Pipe it on.');
    const files = operands.length === 0 ? ['-'] : operands;
    const { openParquet } = await import('../codec/parquet-batches.js');
    const opened = async function* (): AsyncGenerator<OpenedParquet> {
      for (const file of files) {
        const { ranges, close } = await rangesOf(file, invocation);
        try {
          yield await openParquet(ranges);
        } finally {
          await close();
        }
      }
    };
    const [view] = views;
    if (view) return await printFacts(view, opened());
    const { parquetRows } = await import('../codec/parquet-rows.js');
    const bare = flags.on('bare') || stdoutIsTerminal();
    for await (const chunk of parquetRows(opened(), { format, limit, bare, runId: invocation.runId })) {
      await writeStdout(chunk);
    }
  },
};

export default command;

async function printFacts(view: (typeof VIEWS)[number], files: AsyncIterable<OpenedParquet>): Promise<void> {
  const { metadataFacts, schemaFacts, statsFacts } = await import('../codec/parquet-facts.js');
  for await (const file of files) {
    if (view === 'stats') for (const facts of statsFacts(file)) await writeStdout(`${JSON.stringify(facts)}\n`);
    else await writeStdout(`${JSON.stringify(view === 'schema' ? schemaFacts(file) : metadataFacts(file))}\n`);
  }
}

interface Opened {
  ranges: ByteRanges;
  close: () => Promise<void>;
}

/** A path, a URL, or `-`. */
async function rangesOf(name: string, invocation: Invocation): Promise<Opened> {
  const { signal, flags, env } = invocation;
  if (name === '-') return spooledStdin(invocation);
  const url = /^[a-z0-9]+:\/\//.test(name) ? name : `file://${resolve(name)}`;
  const endpoint = flags.text('endpoint-url');
  const s3 = (): ReturnType<typeof connectS3> => connectS3(env, endpoint === undefined ? {} : { endpoint });
  const object = await openObject(url, { s3, signal });
  const { byteLength } = object;
  return {
    ranges: { url: name, byteLength, read: (start, end) => object.read(start, end) },
    close: () => object.close(),
  };
}

/** A Parquet file is read from its end: what comes through a pipe has to be there whole. */
async function spooledStdin({ signal, flags }: Invocation): Promise<Opened> {
  const spool = new Spool(flags.text('temp-dir') ?? '/tmp');
  try {
    for await (const chunk of interruptible(stdinBytes('a Parquet file')(signal), signal)) await spool.write(chunk);
  } catch (error) {
    await spool.discard();
    throw error;
  }
  const read = (start: number, end: number): Promise<Uint8Array> => spool.range(start, end);
  return { ranges: { url: 'stdin', byteLength: spool.bytes, read }, close: () => spool.discard() };
}
