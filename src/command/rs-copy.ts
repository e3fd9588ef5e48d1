/** `rs-copy`: loads the objects of receipts into a warehouse table, each exactly once. */
import type { Command, Invocation } from '../cli/command.js';
import { parseChoice, parseCount, parseSize } from '../cli/parse.js';
import { Failure } from '../errors.js';
import type { BatchLimits } from '../load/batch.js';
import { Ledger, ledgerOf } from '../load/ledger.js';
import { loadFiles } from '../load/load-file.js';
import { type Table, storedTable } from '../load/name.js';
import { DrySession } from '../load/session.js';
import type { PlanOptions } from '../load/table-plan.js';
import { type LoadContext, Loader } from '../load/transaction.js';
import { writeStdout } from '../sink/stdout.js';
import { objectAccess } from './object-access.js';
import { castOf } from './rs-copy/cast.js';
import { checkAll } from './rs-copy/check-all.js';
import { loadAll } from './rs-copy/load-all.js';
import { WAREHOUSE_FLAGS, openWarehouse, settingsOf, targetTable } from './warehouse.js';
import { STORE_FLAGS } from './watermark-store.js';

const MODES = ['append', 'upsert', 'replace'] as const;

const command: Command = {
  summary: 'load stored objects into PostgreSQL or Redshift, each exactly once',
  usage: 'SCHEMA.TABLE [--from-store TABLE] [flags]',
  examples: [
    'mysql-extract shop.orders --since "$(wm get shop.orders --format cursor)" | to-parquet --split-size 64MiB | s3-put s3://lake/incremental/ | wm advance shop.orders | rs-copy analytics.orders --from-store shop.orders',
    'rs-copy analytics.orders --from-store shop.orders --catch-up --create',
    'wm pending shop.orders --json | rs-copy analytics.orders',
    'rs-copy analytics.orders --from-store shop.orders --catch-up -n',
  ],
  flags: [
    {
      name: 'from-store',
      value: 'TABLE',
      help: 'load what the watermark chain of this source table holds, in its order',
    },
    { name: 'catch-up', help: 'with --from-store: load what is there and read no receipts' },
    { name: 'mode', value: 'MODE', default: 'upsert with a key, else append', help: 'append, upsert or replace' },
    { name: 'key', value: 'COLUMN', many: true, help: 'what tells rows apart, instead of the primary key' },
    { name: 'create', help: 'make schema, table and ledger where they are missing' },
    { name: 'evolve', value: 'HOW', default: 'fail', help: 'columns the table does not have or hold: add or fail' },
    {
      name: 'cast',
      value: 'COLUMN[=TYPE]',
      many: true,
      help: 'convert a column whose type differs, or choose its type',
    },
    {
      name: 'soft-delete',
      value: 'COLUMN',
      help: 'with --mode replace: mark rows that are gone instead of deleting them',
    },
    { name: 'allow-empty', help: 'with --mode replace: a snapshot without rows empties the table' },
    { name: 'max-files', value: 'N', default: '1000', help: 'most objects in one transaction' },
    { name: 'max-bytes', value: 'SIZE', default: '4GiB', help: 'most bytes of objects in one transaction' },
    {
      name: 'ledger',
      value: 'SCHEMA.TABLE',
      default: '_tablepipe_ledger_TABLE',
      help: 'where loaded objects are noted',
    },
    { name: 'check', help: 'read footers and catalogue only, and say what a load would refuse' },
    { name: 'watch', help: 'with --from-store: keep loading while the extract runs' },
    { name: 'poll', value: 'TIME', default: '2s', help: 'with --watch: how often the chain is asked' },
    { name: 'dry-run', short: 'n', help: 'print the SQL and change nothing' },
    ...WAREHOUSE_FLAGS,
    ...STORE_FLAGS,
  ],
  async run(invocation) {
    const { flags, operands, signal, words } = invocation;
    const settings = settingsOf(invocation);
    const warehouse = await openWarehouse(invocation, settings);
    const target = storedTable(warehouse.names, targetOf(operands));
    const named = flags.text('ledger');
    const ledgerTable = named === undefined ? ledgerOf(warehouse.names, target) : targetTable(named, '--ledger');
    const plan = planOptions(invocation);
    const context: LoadContext = {
      warehouse,
      ledger: new Ledger(storedTable(warehouse.names, ledgerTable), target, warehouse),
      target,
      plan,
      open: loadFiles(objectAccess(invocation)),
      signal,
      ...(flags.on('dry-run')
        ? { wrap: (session) => new DrySession(session, (statement) => writeStdout(`${statement}\n`)) }
        : {}),
      onRetry: (error, attempt) => words.note(`attempt ${attempt}: ${(error as Error).message}; trying again`),
    };
    const loader = new Loader(context);
    try {
      if (flags.on('check')) return await checkAll(invocation, context);
      await loadAll(invocation, loader, { target, limits: limitsOf(invocation), whole: plan.mode === 'replace' });
    } finally {
      await loader.end();
    }
  },
};

export default command;

function targetOf([text, ...more]: readonly string[]): Table {
  if (text === undefined || more.length > 0) {
    throw new Failure('usage', text === undefined ? 'no target table given' : 'one target table expected', {
      hint: 'Write: rs-copy SCHEMA.TABLE.',
    });
  }
  return targetTable(text, 'target');
}

function planOptions({ flags }: Invocation): PlanOptions {
  const mode = flags.text('mode');
  const key = flags.texts('key');
  return {
    mode: mode === undefined ? undefined : parseChoice(mode, '--mode', MODES),
    key: key.length > 0 ? key : undefined,
    create: flags.on('create'),
    evolve: parseChoice(flags.text('evolve') ?? 'fail', '--evolve', ['add', 'fail']),
    casts: new Map(flags.texts('cast').map(castOf)),
    softDelete: flags.text('soft-delete') ?? null,
    allowEmpty: flags.on('allow-empty'),
  };
}

function limitsOf({ flags }: Invocation): BatchLimits {
  return {
    files: parseCount(flags.text('max-files') ?? '1000', '--max-files'),
    bytes: parseSize(flags.text('max-bytes') ?? '4GiB', '--max-bytes'),
  };
}
