/** `mysql-shards`: a frozen plan for several readers of one table. */
import type { Command, Invocation } from '../cli/command.js';
import { parseCount, parseTable } from '../cli/parse.js';
import { Failure } from '../errors.js';
import { mysqlFailure } from '../mysql-failure.js';
import { writeStdout } from '../sink/stdout.js';
import type { ExtractRequest } from '../plan/extract.js';
import { BOUND_FLAGS, boundRequest } from './extract-options.js';
import { MYSQL_FLAGS, mysqlServer } from './mysql-source.js';

/** More shards than anybody has machines for are a typing error. */
const MOST = 100_000;

const command: Command = {
  summary: 'cut a table into ranges of its primary key, one a line',
  usage: 'TABLE -n N [flags]',
  examples: [
    'mysql-shards shop.orders -n 8 > plan.ndjson',
    'mysql-extract shop.orders --shard 0/8 --plan plan.ndjson | to-parquet -o orders-0.parquet',
  ],
  flags: [{ name: 'shards', short: 'n', value: 'N', help: 'number of ranges' }, ...BOUND_FLAGS, ...MYSQL_FLAGS],
  run,
};

export default command;

async function run(invocation: Invocation): Promise<void> {
  const { flags, operands, signal, words } = invocation;
  const [operand, ...more] = operands;
  const text = flags.text('shards');
  if (operand === undefined || more.length > 0 || text === undefined) {
    const what =
      operand === undefined
        ? 'no table given'
        : text === undefined
          ? 'no number of shards given'
          : 'one table expected';
    throw new Failure('usage', what, { hint: 'Write: mysql-shards SCHEMA.TABLE -n N.' });
  }
  const named = parseTable(operand);
  const of = parseCount(text, '-n');
  if (of > MOST) throw new Failure('usage', `-n ${text}: at most ${MOST}`);
  const request = wholeTable(boundRequest(flags));
  const server = await mysqlServer(invocation);
  const session = await server.open(signal);
  const stop = (): void => session.cut();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const { planTable } = await import('../plan/extract.js');
    const { existingTable } = await import('./existing-table.js');
    const { planShards } = await import('../plan/shards.js');
    const table = await existingTable(session, named);
    const { plan, caveat } = await planTable(session, table, request, signal);
    if (plan.key.length === 0 || plan.key.some(({ name }) => !plan.primaryKey.includes(name))) {
      throw new Failure('config', `${plan.table} has no primary key of its own to cut it by`, {
        hint: 'Read it with mysql-extract --parallel instead.',
      });
    }
    if (caveat !== undefined) words.warn(caveat);
    for (const shard of await planShards(session, plan, of)) await writeStdout(`${JSON.stringify(shard)}\n`);
  } catch (error) {
    throw signal.aborted ? signal.reason : mysqlFailure(error, `planning the shards of ${operand}`);
  } finally {
    signal.removeEventListener('abort', stop);
    await session.end();
    server.close();
  }
}

/** Everything from the start, in key order. */
function wholeTable(bounds: ReturnType<typeof boundRequest>): ExtractRequest {
  return {
    ...bounds,
    since: { from: 'start' },
    order: 'key',
    columns: null,
    exclude: [],
    shard: null,
    pageRows: 1,
    policies: { zeroDates: 'text', badValues: 'text' },
  };
}
