/** `to-parquet`: rows on stdin, one Parquet file or a tar of them on stdout. */
import { readFile } from 'node:fs/promises';
import type { Command, Invocation } from '../cli/command.js';
import { parseChoice, parseCount, parseSize } from '../cli/parse.js';
import type { Compression } from '../codec/parquet-file.js';
import type { OpenRowsOptions } from '../codec/open-rows.js';
import type { OversizePolicy } from '../codec/loadable-rows.js';
import type { ParquetStreamOptions } from '../codec/parquet-stream.js';
import type { RowStream } from '../codec/row-stream.js';
import type { ParquetTarget } from '../column/parquet-schema.js';
import { Failure, fileFailure } from '../errors.js';
import { SideFile } from '../sink/side-file.js';
import { outputFile } from '../sink/output-file.js';
import { refuseTerminal, stdout } from '../sink/stdout.js';
import { passingStdin } from '../source/stdin.js';
import { interruptible } from '../stage.js';

const COMPRESSIONS: readonly Compression[] = ['snappy', 'zstd', 'gzip', 'none'];
const POLICIES: readonly OversizePolicy[] = ['fail', 'null', 'truncate', 'quarantine'];
const TARGETS: readonly ParquetTarget[] = ['redshift', 'any'];

/** Below this a file is mostly footer, and its size cannot be hit. */
const LEAST_FILE_BYTES = 256 << 10;
const LEAST_GROUP_BYTES = 64 << 10;

const command: Command = {
  summary: 'convert Arrow, NDJSON or Singer rows to Parquet',
  usage: '[-o FILE] [--split-rows N | --split-size SIZE] [flags] < ROWS',
  examples: [
    'mysql-extract shop.orders | to-parquet --split-size 64MiB | s3-put s3://lake/incremental/ | wm advance shop.orders',
    'mysql-extract shop.orders | to-parquet -o orders.parquet',
    'mysql-extract shop.orders | to-parquet --split-rows 50000 | tar xf -',
  ],
  flags: [
    { name: 'output', short: 'o', value: 'FILE', help: 'write one file here: complete, or not at all' },
    { name: 'overwrite', help: 'replace FILE when it holds something else' },
    { name: 'split-rows', value: 'N', help: 'a tar of files of N rows' },
    { name: 'split-size', value: 'SIZE', help: 'a tar of files of this size, within 10 %' },
    { name: 'compression', value: 'NAME', default: 'snappy', help: COMPRESSIONS.join(', ') },
    {
      name: 'row-group-size',
      value: 'SIZE',
      default: '8MiB',
      help: 'encoded bytes of a row group; memory is about five',
    },
    {
      name: 'target',
      value: 'NAME',
      default: 'redshift',
      help: 'redshift: only what its COPY loads; any: richer types',
    },
    {
      name: 'super',
      value: 'COLUMN',
      many: true,
      help: 'write the JSON of a text column so that Redshift takes up to 4 MiB of it, into SUPER',
    },
    {
      name: 'on-oversize',
      value: 'HOW',
      default: 'fail',
      help: 'for values Redshift cannot load (over 65,535 bytes, NUL, bad UTF-8, year 0): fail, null, truncate, quarantine',
    },
    {
      name: 'quarantine-file',
      value: 'FILE',
      help: 'NDJSON of the rows that quarantine takes out; a line run again adds nothing twice',
    },
    {
      name: 'temp-dir',
      value: 'DIR',
      env: ['TMPDIR'],
      default: '/tmp',
      help: 'where a file of a tar waits once it is larger than 4 MiB',
    },
    { name: 'schema', value: 'FILE', help: 'the columns of NDJSON, as `from-parquet --schema` prints them' },
    { name: 'infer', help: 'guess the columns of NDJSON from its first 1000 rows, and say so' },
    { name: 'allow-unterminated', help: 'accept the rows of another program, which writes no end record' },
  ],
  async run(invocation) {
    const { flags, signal, runId } = invocation;
    const options = optionsOf(invocation);
    const output = flags.text('output');
    const split = options.fileRows !== undefined || options.fileBytes !== undefined;
    if (output !== undefined && split) throw new Failure('usage', '-o takes one file; splitting makes several');
    if (output === undefined) refuseTerminal('Parquet', 'Pipe it on, or write to a file with -o.');
    const bytes = interruptible(passingStdin('rows')(signal), signal);
    const { openRows } = await import('../codec/open-rows.js');
    const { oneParquetFile, parquetMembers } = await import('../codec/parquet-stream.js');
    const { tarBytes } = await import('../codec/tar-writer.js');
    const allowUnterminated = flags.on('allow-unterminated');
    const limits = await limitsOf(invocation, options);
    const json = await jsonOptions(invocation);
    const rows = openRows(bytes, { allowUnterminated, runId, json }, signal).then(limits.apply);
    try {
      await write(rows);
    } finally {
      await limits.close();
    }

    async function write(opening: Promise<RowStream>): Promise<void> {
      if (split) {
        const tempDir = flags.text('temp-dir') ?? '/tmp';
        await stdout()(tarBytes(parquetMembers(opening, options, { tempDir, runId })), signal);
        return;
      }
      const sink = output === undefined ? stdout() : outputFile(output, flags.on('overwrite'));
      await sink(oneParquetFile(await opening, options), signal);
    }
  },
};

export default command;

/** What NDJSON has to be told. */
async function jsonOptions({ flags, words }: Invocation): Promise<NonNullable<OpenRowsOptions['json']>> {
  const path = flags.text('schema');
  const infer = flags.on('infer');
  const note = (text: string): void => words.note(text);
  if (path === undefined) return { schema: undefined, infer, note };
  if (infer) throw new Failure('usage', '--schema and --infer exclude each other');
  const { schemaOfFile } = await import('../column/json-schema.js');
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileFailure(error, 'reading', path);
  });
  return { schema: schemaOfFile(text, path), infer, note };
}

interface Limits {
  apply: (stream: RowStream) => RowStream;
  close: () => Promise<void>;
}

/** Rows in the types of the target, the check of what Redshift can load, and the words about what it changed. */
async function limitsOf(
  { flags, words }: Invocation,
  { target, documents = new Set() }: ParquetStreamOptions,
): Promise<Limits> {
  const policy = parseChoice(flags.text('on-oversize') ?? 'fail', '--on-oversize', POLICIES);
  const path = flags.text('quarantine-file');
  if ((policy === 'quarantine') !== (path !== undefined)) {
    throw new Failure('usage', '--on-oversize quarantine and --quarantine-file go together');
  }
  if (target === 'any' && documents.size > 0) throw new Failure('usage', '--super is for --target redshift');
  const { plainRows } = await import('../codec/plain-rows.js');
  if (target === 'any') return { apply: (stream) => plainRows(stream, target), close: async () => {} };
  const { loadableRows } = await import('../codec/loadable-rows.js');
  const file = new SideFile(path ?? '');
  const touched = new Map<string, number>();
  const done = {
    fail: '',
    null: 'became NULL',
    truncate: 'were truncated',
    quarantine: `went to ${path} with their rows`,
  };
  const taking = { policy, documents, quarantine: (line: string) => file.write(line), settle: () => file.sync() };
  return {
    apply: (stream) => loadableRows(plainRows(stream, target), taking, touched),
    async close() {
      await file.close();
      for (const [column, count] of touched) words.warn(`${count} values of ${column} ${done[policy]}`);
    },
  };
}

function optionsOf({ flags, operands }: Invocation): ParquetStreamOptions {
  if (operands.length > 0) {
    throw new Failure('usage', `${operands[0]}: the rows come from stdin`, { hint: 'Write: to-parquet < FILE.' });
  }
  const rows = flags.text('split-rows');
  const size = flags.text('split-size');
  const fileBytes =
    size === undefined ? undefined : atLeast(parseSize(size, '--split-size'), LEAST_FILE_BYTES, '--split-size');
  return {
    compression: parseChoice(flags.text('compression') ?? 'snappy', '--compression', COMPRESSIONS),
    target: parseChoice(flags.text('target') ?? 'redshift', '--target', TARGETS),
    documents: new Set(flags.texts('super')),
    rowGroupBytes: atLeast(
      parseSize(flags.text('row-group-size') ?? '8MiB', '--row-group-size'),
      LEAST_GROUP_BYTES,
      '--row-group-size',
    ),
    fileRows: rows === undefined ? undefined : parseCount(rows, '--split-rows'),
    fileBytes,
  };
}

function atLeast(bytes: number, least: number, flag: string): number {
  if (bytes >= least) return bytes;
  throw new Failure('usage', `${flag}: at least ${least} bytes`);
}
