/** `rs-copy --check`: the footers of the objects against the catalogue of the warehouse, a line for each. Moves nothing. */
import type { Invocation } from '../../cli/command.js';
import { Failure } from '../../errors.js';
import { planTable } from '../../load/table-plan.js';
import type { LoadContext } from '../../load/transaction.js';
import { type Receipt, readReceipts } from '../../receipt.js';
import { writeStdout } from '../../sink/stdout.js';
import { stdinBytes } from '../../source/stdin.js';
import { interruptible } from '../../stage.js';
import { openStore, openTableChain } from '../watermark-store.js';

/** Prints what a load of each object would do or refuse; throws 65 when it would refuse any. */
export async function checkAll(invocation: Invocation, context: LoadContext): Promise<void> {
  const { warehouse, target, open, plan } = context;
  const session = await warehouse.open();
  let refused = 0;
  try {
    const existing = await warehouse.describe(session, target);
    for await (const receipt of receiptsOf(invocation)) {
      const said: Record<string, unknown> = { type: 'check', url: receipt.url, ok: true };
      try {
        const file = await open(receipt);
        await file.close();
        if (receipt.rows !== null && receipt.rows !== file.rows) {
          throw new Failure('data', `its footer counts ${file.rows} rows, its receipt ${receipt.rows}`);
        }
        const planned = planTable(warehouse, target, file.columns, receipt, existing, plan);
        const checked = planned.columns.filter(({ fit }) => fit === 'checked').map(({ name }) => name);
        Object.assign(said, { mode: planned.mode, ddl: planned.ddl, narrower: checked });
      } catch (error) {
        if (!(error instanceof Failure) || error.kind === 'temporary') throw error;
        refused += 1;
        Object.assign(said, { ok: false, code: error.code, problem: error.message, cure: error.hint ?? null });
      }
      await writeStdout(`${JSON.stringify(said)}\n`);
    }
  } catch (error) {
    throw warehouse.failure(error, 'checking');
  } finally {
    await session.end();
  }
  if (refused > 0) throw new Failure('data', `${refused} objects would be refused`, { hint: 'Each line says why.' });
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
