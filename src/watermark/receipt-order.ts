/** What a receipt must be to follow another one, and to follow a chain. */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { comparePositions, samePosition } from './position.js';
import type { State } from './state.js';

/** Checks one receipt on its own. 65, naming its seq, for another table's, or one that cannot move a watermark. */
export function demandReceipt(receipt: Receipt, table: string): void {
  const { seq, from, to, cursor_columns: columns, read } = receipt;
  if (receipt.table !== table) throw bad(seq, `is of the table ${receipt.table}, not ${table}`);
  if (receipt.rows === null) throw bad(seq, 'does not say how many rows its object has');
  if (receipt.rows < 0 || receipt.bytes < 0) throw bad(seq, 'has a negative count');
  if (!['incremental', 'backfill', 'snapshot'].includes(read)) throw bad(seq, `has an unknown kind of read, ${read}`);
  if (read === 'snapshot') return;
  if (columns.length === 0) throw bad(seq, 'has no cursor columns');
  // A single file is there also when no row was; it leaves the watermark where it stands.
  const still = receipt.rows === 0 && samePosition(from, to);
  if (!still && (to === null || to.length !== columns.length)) throw bad(seq, 'does not say where its last row stands');
  if (from !== null && (from.length === 0 || from.length > columns.length)) throw bad(seq, 'has a malformed `from`');
  if (!still && comparePositions(from, to) === 1) throw bad(seq, 'ends before it begins');
}

/** Checks that a receipt continues the one before it in the same stream; 65, naming its seq. */
export function demandContinuous(before: Receipt, receipt: Receipt): void {
  const { seq } = receipt;
  if (receipt.run_id !== before.run_id) throw bad(seq, `is of another run (${receipt.run_id})`);
  if (receipt.read !== before.read) throw bad(seq, `is of another kind of read (${receipt.read})`);
  if (!samePosition(receipt.cursor_columns, before.cursor_columns)) throw bad(seq, 'has other cursor columns');
  if (receipt.read !== 'snapshot' && !samePosition(receipt.from, before.to)) {
    throw bad(seq, `begins at ${shown(receipt.from)} where the one before it ended at ${shown(before.to)}`);
  }
}

/** Checks that a receipt speaks of the columns the chain's position speaks of. */
export function demandColumns(state: State, receipt: Receipt): void {
  const known =
    receipt.read === 'backfill'
      ? state.backfill?.status === 'running' && state.backfill.columns
      : state.cursor !== null && state.cursor_columns;
  if (receipt.read === 'snapshot' || !known || known.length === 0) return;
  if (!samePosition(known, receipt.cursor_columns)) {
    throw new Failure(
      'data',
      `receipt ${receipt.seq} counts by ${receipt.cursor_columns.join(', ')}, the watermark by ${known.join(', ')}`,
      {
        hint: `Extract with the same cursor, or start over with \`wm reset ${receipt.table}\`.`,
      },
    );
  }
}

/** Where the next receipt of this kind of read has to begin. */
export function expectedPosition(state: State, receipt: Receipt): Position | null {
  if (receipt.read === 'incremental') return state.cursor;
  return state.backfill?.status === 'running' ? state.backfill.to : null;
}

/** The failure for a receipt the chain did not wait for. */
export function notExpected(receipt: Receipt, expected: Position | null): Failure {
  return new Failure(
    'conflict',
    `receipt ${receipt.seq} of run ${receipt.run_id} begins at ${shown(receipt.from)}, the watermark of ${receipt.table} stands at ${shown(expected)}`,
    { hint: `Another run or \`wm set\` moved it; see \`wm history ${receipt.table}\`. Extract again from \`wm get\`.` },
  );
}

function bad(seq: number, what: string): Failure {
  return new Failure('data', `receipt ${seq} ${what}`, {
    hint: 'The receipts were edited, reordered or mixed; pass them on as s3-put wrote them.',
  });
}

/** Positions are keys and times, not row contents: they may be shown. */
function shown(position: Position | null): string {
  return position === null ? 'the start' : JSON.stringify(position);
}
