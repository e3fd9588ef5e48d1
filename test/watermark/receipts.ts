/** Streams of receipts, as s3-put writes them. Positions count in one integer column unless told otherwise. */
import type { Position } from '../../src/end-record.js';
import { type Receipt, type ReceiptsEnd, receiptLine } from '../../src/receipt.js';

export const ROWS = 10;

/** `count` receipts that continue from `start` (0 = nothing read), ten rows each, one position per receipt. */
export function receiptsFrom(start: number, count: number, run = 'run', table = 'shop.orders'): Receipt[] {
  return Array.from({ length: count }, (_, seq) => {
    const at = start + seq;
    return {
      type: 'object',
      v: 1,
      run_id: run,
      seq,
      table,
      url: `s3://lake/${table}/${run}/${at}.parquet`,
      bytes: 100,
      rows: ROWS,
      etag: `"${at}"`,
      crc32: at.toString(16).padStart(8, '0'),
      schema_id: 's1',
      read: 'incremental',
      primary_key: ['id'],
      cursor_columns: ['id'],
      from: positionAt(at),
      to: positionAt(at + 1),
      write_id: `${run}-${at}`,
    };
  });
}

export function positionAt(at: number): Position | null {
  return at === 0 ? null : [String(at)];
}

export function endOf(receipts: readonly Receipt[], more: Partial<ReceiptsEnd> = {}): ReceiptsEnd {
  const total = (of: (one: Receipt) => number): number => receipts.reduce((sum, one) => sum + of(one), 0);
  return {
    type: 'end',
    status: 'complete',
    run_id: receipts[0]?.run_id ?? 'run',
    table: receipts[0]?.table ?? 'shop.orders',
    objects: receipts.length,
    rows: total((one) => one.rows ?? 0),
    bytes: total((one) => one.bytes),
    code: 0,
    ...more,
  };
}

/** The lines; without the end line when `cut`. */
export function linesOf(receipts: readonly Receipt[], cut = false): string {
  return [...receipts, ...(cut ? [] : [endOf(receipts)])].map(receiptLine).join('');
}

export async function* bytesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) if (text !== '') yield Buffer.from(text);
}
