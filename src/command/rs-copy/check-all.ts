/** `rs-copy --check`: the footers of the objects against the catalogue of the warehouse, a line for each. Moves nothing. */
import type { Invocation } from '../../cli/command.js';
import { Failure } from '../../errors.js';
import { planTable } from '../../load/table-plan.js';
import type { Refusal, TargetTable } from '../../load/warehouse.js';
import type { LoadContext } from '../../load/transaction.js';
import { type Receipt, readReceipts } from '../../receipt.js';
import { writeStdout } from '../../sink/stdout.js';
import { stdinBytes } from '../../source/stdin.js';
import { interruptible } from '../../stage.js';
import { openStore, openTableChain } from '../watermark-store.js';

/** Prints what a load of each object would do or refuse; throws 65 when it would refuse any. */
export async function checkAll(invocation: Invocation, context: LoadContext): Promise<void> {
  const { warehouse, target } = context;
  const session = await warehouse.open();
  let refused = 0;
  try {
    const existing = await warehouse.describe(session, target);
    for await (const receipt of receiptsOf(invocation)) {
      const said = await checkOne(context, receipt, existing);
      if (!said.ok) refused += 1;
      await writeStdout(`${JSON.stringify(said)}\n`);
    }
  } catch (error) {
    throw warehouse.failure(error, 'checking');
  } finally {
    await session.end();
  }
  if (refused > 0) throw new Failure('data', `${refused} objects would be refused`, { hint: 'Each line says why.' });
}

interface Checked {
  type: 'check';
  url: string;
  ok: boolean;
  [fact: string]: unknown;
}

async function checkOne(
  { warehouse, target, open, plan }: LoadContext,
  receipt: Receipt,
  existing: TargetTable | undefined,
): Promise<Checked> {
  const about = { type: 'check', url: receipt.url } as const;
  try {
    const file = await open(receipt);
    try {
      if (receipt.rows !== null && receipt.rows !== file.rows) {
        throw new Failure('data', `its footer counts ${file.rows} rows, its receipt ${receipt.rows}`, {
          hint: 'The object or the receipt was altered; extract that range again.',
        });
      }
      const planned = planTable(warehouse, target, file.columns, receipt, existing, plan);
      const refusals = (await warehouse.check?.(file, planned, existing)) ?? [];
      if (refusals.length > 0) throw joined(refusals);
      const narrower = planned.columns.filter(({ fit }) => fit === 'checked').map(({ name }) => name);
      return { ...about, ok: true, mode: planned.mode, ddl: planned.ddl, narrower };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!(error instanceof Failure) || error.kind === 'temporary') throw error;
    return { ...about, ok: false, code: error.code, problem: error.message, cure: error.hint ?? null };
  }
}

/** All of them at once, so that one run tells everything there is to mend. */
function joined(refusals: readonly Refusal[]): Failure {
  const hint = [...new Set(refusals.map(({ cure }) => cure))].join(' ');
  return new Failure('data', refusals.map(({ problem }) => problem).join('; '), { hint });
}

async function* receiptsOf(invocation: Invocation): AsyncGenerator<Receipt> {
  const { flags, signal } = invocation;
  const source = flags.text('from-store');
  if (source !== undefined) {
    const chain = openTableChain(await openStore(invocation), source, invocation);
    for await (const { receipts } of chain.pending()) yield* receipts;
    return;
  }
  for await (const item of readReceipts(interruptible(stdinBytes('receipts')(signal), signal))) {
    if (item.type === 'object') yield item;
  }
}
