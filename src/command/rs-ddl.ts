/** `rs-ddl`: the table a file or a stream of rows needs, as SQL. */
import { resolve } from 'node:path';
import type { Command, Invocation } from '../cli/command.js';
import { parseChoice } from '../cli/parse.js';
import { type SourceColumn, sourceColumns } from '../column/source-column.js';
import type { WarehouseSettings } from '../connect/warehouse.js';
import { Failure } from '../errors.js';
import { type Table, quoted, storedTable } from '../load/name.js';
import { type PlanOptions, planTable } from '../load/table-plan.js';
import type { Warehouse } from '../load/warehouse.js';
import type { Provenance } from '../provenance.js';
import { Spool } from '../sink/spool.js';
import { writeStdout } from '../sink/stdout.js';
import { openObject } from '../source/object.js';
import { stdinBytes } from '../source/stdin.js';
import { interruptible } from '../stage.js';
import { objectAccess } from './object-access.js';
import { castOf } from './rs-copy/cast.js';
import { WAREHOUSE_FLAGS, openWarehouse, settingsOf, targetTable } from './warehouse.js';

const command: Command = {
  summary: 'print the CREATE TABLE that a file or a stream of rows needs',
  usage: '[FILE | s3://BUCKET/KEY] [flags]   (Arrow or Parquet on stdin without a file, or for -)',
  examples: [
    'rs-ddl orders.parquet --target redshift',
    'mysql-extract shop.orders --limit 1 | rs-ddl --table analytics.orders',
    'rs-ddl orders.parquet --table analytics.orders --diff',
  ],
  flags: [
    { name: 'target', value: 'DIALECT', default: "the warehouse's, else postgres", help: 'postgres or redshift' },
    { name: 'table', value: 'SCHEMA.TABLE', default: 'the name in the source', help: 'the table to make' },
    { name: 'key', value: 'COLUMN', many: true, help: 'what tells rows apart, instead of the primary key' },
    { name: 'append', help: 'for --mode append: versions of a row stand side by side, so no primary key' },
    { name: 'cast', value: 'COLUMN=TYPE', many: true, help: 'choose the type of a column' },
    { name: 'diff', help: 'print the ALTERs that bring the live table of the warehouse there instead' },
    { name: 'endpoint-url', value: 'URL', env: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'], help: 'S3 endpoint' },
    {
      name: 'retry-max-time',
      value: 'TIME',
      default: '30s',
      help: 'how long to try again when the store does not answer',
    },
    { name: 'temp-dir', value: 'DIR', env: ['TMPDIR'], default: '/tmp', help: 'where Parquet on stdin waits' },
    ...WAREHOUSE_FLAGS,
  ],
  async run(invocation) {
    const { flags, operands } = invocation;
    if (operands.length > 1) throw new Failure('usage', `one file expected, got ${operands.length}`);
    const warehouse = await openWarehouse(invocation, targetSettings(invocation));
    const rows = await shapeOf(operands[0] ?? '-', invocation);
    const named = flags.text('table') ?? rows.provenance?.table;
    if (named === undefined)
      throw new Failure('usage', 'the rows do not name their table', { hint: 'Add --table SCHEMA.TABLE.' });
    const target = storedTable(warehouse.names, targetTable(named, '--table'));
    const { primary_key = [], cursor_columns = [] } = rows.provenance ?? {};
    const facts = { primary_key, cursor_columns };
    const options = optionsOf(invocation);
    const statements = flags.on('diff')
      ? await differences(warehouse, target, rows.columns, facts, options)
      : planTable(warehouse, target, rows.columns, facts, undefined, options).ddl;
    for (const statement of statements) await writeStdout(`${statement};\n`);
  },
};

export default command;

/** The warehouse of the environment when it speaks the dialect, else one that is never contacted. */
function targetSettings(invocation: Invocation): WarehouseSettings {
  const { flags } = invocation;
  const settings = settingsOf(invocation);
  const named = flags.text('target');
  const dialect = named === undefined ? settings.dialect : parseChoice(named, '--target', ['postgres', 'redshift']);
  if (flags.on('diff') && dialect !== settings.dialect) {
    throw new Failure('usage', `--diff --target ${dialect}: the warehouse is ${settings.dialect}`);
  }
  return { ...settings, dialect };
}

function optionsOf({ flags }: Invocation): PlanOptions {
  const key = flags.texts('key');
  return {
    mode: flags.on('append') ? 'append' : undefined,
    key: key.length > 0 ? key : undefined,
    create: true,
    evolve: 'add',
    casts: new Map(flags.texts('cast').map(castOf)),
    softDelete: null,
    allowEmpty: false,
  };
}

async function differences(
  warehouse: Warehouse,
  target: Table,
  columns: readonly SourceColumn[],
  facts: Pick<Provenance, 'primary_key' | 'cursor_columns'>,
  options: PlanOptions,
): Promise<readonly string[]> {
  const session = await warehouse.open();
  try {
    const existing = await warehouse.describe(session, target);
    const schema = (await warehouse.hasSchema(session, target.schema))
      ? []
      : [`CREATE SCHEMA ${quoted(target.schema)}`];
    return [...schema, ...planTable(warehouse, target, columns, facts, existing, options).ddl];
  } catch (error) {
    throw warehouse.failure(error, `comparing with ${target.schema}.${target.table}`);
  } finally {
    await session.end();
  }
}

interface Shape {
  columns: SourceColumn[];
  provenance: Pick<Provenance, 'table' | 'primary_key' | 'cursor_columns'> | undefined;
}

async function shapeOf(name: string, invocation: Invocation): Promise<Shape> {
  if (name === '-') return shapeOfStdin(invocation);
  const { openParquet } = await import('../codec/parquet-batches.js');
  const url = /^[a-z0-9]+:\/\//.test(name) ? name : `file://${resolve(name)}`;
  const object = await openObject(url, objectAccess(invocation));
  try {
    const { schema, provenance } = await openParquet(object);
    return { columns: sourceColumns(schema, provenance?.columns), provenance };
  } finally {
    await object.close();
  }
}

/** Arrow is read to its end record: a stream that was cut may have been cut anywhere. Parquet is kept until it is whole. */
async function shapeOfStdin({ signal, flags, runId }: Invocation): Promise<Shape> {
  const chunks = interruptible(stdinBytes('Arrow or Parquet')(signal), signal);
  const first = await chunks.next();
  const begin = first.done ? new Uint8Array(0) : first.value;
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield begin;
    yield* chunks;
  };
  if (Buffer.from(begin.subarray(0, 4)).toString('latin1') !== 'PAR1') {
    const { openRows } = await import('../codec/open-rows.js');
    const { schema, provenance, batches } = await openRows(all(), { allowUnterminated: false, runId }, signal);
    for await (const _ of batches);
    const known = provenance.table === '' ? undefined : provenance;
    return { columns: sourceColumns(schema, provenance.columns), provenance: known };
  }
  const { openParquet } = await import('../codec/parquet-batches.js');
  const spool = new Spool(flags.text('temp-dir') ?? '/tmp');
  try {
    for await (const chunk of all()) await spool.write(chunk);
    const ranges = {
      url: 'stdin',
      byteLength: spool.bytes,
      read: (start: number, end: number) => spool.range(start, end),
    };
    const { schema, provenance } = await openParquet(ranges);
    return { columns: sourceColumns(schema, provenance?.columns), provenance };
  } finally {
    await spool.discard();
  }
}
