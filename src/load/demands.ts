/** What the objects of a batch must be, and what must have come of them, before anything of it is committed. */
import { Failure } from '../errors.js';
import type { LoadObject } from './ledger.js';
import { quotedTable } from './name.js';
import type { LoadFile, OpenFile, Session, Staged, TablePlan } from './warehouse.js';

/** Every file of a batch must have the columns that were planned for. */
export function likeFirst(open: OpenFile, first: LoadFile): OpenFile {
  const wanted = spelled(first);
  return async (receipt) => {
    const file = await open(receipt);
    if (spelled(file) === wanted) return file;
    await file.close();
    throw new Failure('data', `${receipt.url} has other columns than ${first.receipt.url}`, {
      hint: 'Load them one after the other with --max-files 1.',
    });
  };
}

function spelled({ columns }: LoadFile): string {
  return JSON.stringify(columns.map(({ name, arrow }) => [name, arrow.typeId, arrow]));
}

/** Rows counted by the server against those the receipts promise: 65 for any difference, and nothing was changed. */
export function demandRows(objects: readonly LoadObject[], { rows, counts }: Staged): LoadObject[] {
  objects.forEach((object, index) => {
    const count = counts?.[index];
    if (count === undefined || object.rows === null || object.rows === count) return;
    throw new Failure('data', `${object.url}: ${count} rows were loaded, its receipt counts ${object.rows}`, {
      hint: 'The object or the receipt was altered; compare with from-parquet --stats.',
    });
  });
  const promised = objects.reduce((total, object) => total + (object.rows ?? 0), 0);
  if (objects.every((object) => object.rows !== null) && promised !== rows) {
    throw new Failure('data', `${rows} rows were loaded, the receipts count ${promised}`, {
      hint: 'An object or a receipt was altered; compare with from-parquet --stats.',
    });
  }
  return objects.map((object, index) => ({ ...object, rows: object.rows ?? counts?.[index] ?? null }));
}

/** Only a complete snapshot may replace a table: 65 for anything else. */
export function demandReplaceable(plan: TablePlan, objects: readonly LoadObject[]): void {
  if (plan.mode !== 'replace') return;
  const other = objects.find((object) => object.read !== 'snapshot');
  if (other) {
    throw new Failure(
      'data',
      `${other.url} is of a read that is ${other.read}; only a complete snapshot may replace a table`,
      {
        hint: 'Extract with --cursor none, or load with --mode upsert.',
      },
    );
  }
}

/** A snapshot without rows is more often a mistake at the source than an empty table: 65 before anything is gone. */
export async function demandRowsLeft(
  session: Session,
  plan: TablePlan,
  objects: readonly LoadObject[],
  staged: Staged,
): Promise<void> {
  const rows = session.dry ? objects.reduce((total, object) => total + (object.rows ?? 1), 0) : staged.rows;
  if (plan.mode !== 'replace' || !plan.exists || rows > 0) return;
  const target = quotedTable(plan.target);
  if ((await session.read(`SELECT 1 AS there FROM ${target} LIMIT 1`)).length === 0) return;
  throw new Failure('data', `the snapshot has no rows, and ${target} has some`, {
    hint: 'If the table is empty at the source, add --allow-empty.',
  });
}
