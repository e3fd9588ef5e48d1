/** The first row that made COPY fail, found in the files themselves: the server seldom says which one it was. */
import type { RecordBatch } from 'apache-arrow';
import type { FailedLoad } from './redshift-failure.js';
import type { LoadFile } from './warehouse.js';

export interface Fault {
  /** What the server said. */
  text: string;
  /** The column it named; '' when it named none. */
  column: string;
  /** 1-based row in the file; 0 when it is not known. */
  line: number;
}

export interface BadRow {
  url: string;
  /** 1-based. */
  row: number;
  /** The key columns' values as JSON. */
  key: string;
}

type Wrong = (value: unknown) => boolean;

/** Looks into the file at fault, or into all of them when none was named. Memory: one row group. */
export async function firstBadRow(
  fault: Fault,
  url: string | undefined,
  load: FailedLoad,
): Promise<BadRow | undefined> {
  const { plan } = load;
  if (plan.key.length === 0) return undefined;
  const column = plan.columns.find(({ name }) => name === columnOf(fault));
  const wrong = wrongness(fault.text);
  if (fault.line === 0 && (column === undefined || wrong === undefined)) return undefined;
  const suspects = url === undefined ? load.receipts : load.receipts.filter((receipt) => receipt.url === url);
  for (const receipt of suspects) {
    const file = await load.open(receipt);
    try {
      const found = await search(file, load, (batch, row, at) => {
        if (column === undefined || wrong === undefined) return at === fault.line;
        return wrong(batch.getChild(column.source.name)?.get(row));
      });
      if (found) return found;
    } finally {
      await file.close();
    }
  }
  return undefined;
}

async function search(
  file: LoadFile,
  { plan, signal }: FailedLoad,
  isBad: (batch: RecordBatch, row: number, at: number) => boolean,
): Promise<BadRow | undefined> {
  let before = 0;
  for await (const batch of file.batches()) {
    signal.throwIfAborted();
    for (let row = 0; row < batch.numRows; row += 1) {
      if (!isBad(batch, row, before + row + 1)) continue;
      const key = plan.key.map((name) => {
        const source = plan.columns.find((column) => column.name === name)?.source.name ?? name;
        return [name, String(batch.getChild(source)?.get(row))];
      });
      return { url: file.receipt.url, row: before + row + 1, key: JSON.stringify(Object.fromEntries(key)) };
    }
    before += batch.numRows;
  }
  return undefined;
}

function columnOf({ text, column }: Fault): string {
  return column || (/(?:data column|into column) (\S+?)(?: is\b|$)/.exec(text)?.[1] ?? '');
}

/** What makes a value one the server refused with this text; undefined when its words do not tell. */
function wrongness(text: string): Wrong | undefined {
  const room = /length of the data column.* Table: (\d+)/s.exec(text)?.[1];
  if (room !== undefined) return (value) => value != null && byteLength(value) > Number(room);
  if (/Cannot insert a NULL value/i.test(text)) return (value) => value == null;
  if (/invalid ASCII/i.test(text)) return (value) => typeof value === 'string' && /[^\0-\x7f]/.test(value);
  return undefined;
}

function byteLength(value: unknown): number {
  return value instanceof Uint8Array ? value.length : Buffer.byteLength(String(value));
}
