/** Looks for a row in the objects of a batch, so that a message can name it: a server seldom says which one it refused. */
import type { RecordBatch } from 'apache-arrow';
import { jsonCells } from '../codec/json-values.js';
import type { Receipt } from '../receipt.js';
import type { OpenFile, TablePlan } from './warehouse.js';

export interface FoundRow {
  url: string;
  /** 1-based, in the file. */
  row: number;
  /** The key columns' values as JSON; undefined when nothing tells rows apart. */
  key: string | undefined;
}

/** @param at 1-based, in the file */
export type IsRow = (batch: RecordBatch, row: number, at: number) => boolean;

export interface Searched {
  plan: TablePlan;
  receipts: readonly Receipt[];
  open: OpenFile;
  signal: AbortSignal;
}

/** The first row that is the one. Memory: one row group. */
export async function findRow({ plan, receipts, open, signal }: Searched, isRow: IsRow): Promise<FoundRow | undefined> {
  for (const receipt of receipts) {
    const file = await open(receipt);
    let before = 0;
    try {
      for await (const batch of file.batches()) {
        signal.throwIfAborted();
        for (let row = 0; row < batch.numRows; row += 1) {
          if (!isRow(batch, row, before + row + 1)) continue;
          return { url: receipt.url, row: before + row + 1, key: keyText(plan, batch, row) };
        }
        before += batch.numRows;
      }
    } finally {
      await file.close();
    }
  }
  return undefined;
}

/** Exact also where JavaScript has no such number: a decimal, an integer of 64 bits. */
function keyText(plan: TablePlan, batch: RecordBatch, row: number): string | undefined {
  if (plan.key.length === 0) return undefined;
  const cells = jsonCells(batch);
  const key = plan.key.map((name) => {
    const at = plan.columns.findIndex((column) => column.name === name);
    const text = cells[at]?.(row) ?? 'null';
    return `${JSON.stringify(name)}:${/^(?:"|null$)/.test(text) ? text : JSON.stringify(text)}`;
  });
  return `{${key.join(',')}}`;
}

/** `s3://…, row 12, key {"id":"7"}`, for messages. */
export function rowName({ url, row, key }: FoundRow): string {
  return `${url}, row ${row}${key === undefined ? '' : `, key ${key}`}`;
}
