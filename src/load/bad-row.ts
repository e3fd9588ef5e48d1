/** The first row that made COPY fail, found in the files themselves: the server seldom says which one it was. */
import { type FoundRow, findRow } from './found-row.js';
import type { FailedLoad } from './redshift-failure.js';

export interface Fault {
  /** What the server said. */
  text: string;
  /** The column it named; '' when it named none. */
  column: string;
  /** 1-based row in the file; 0 when it is not known. */
  line: number;
}

type Wrong = (value: unknown) => boolean;

/** Looks into the file at fault, or into all of them when none was named. Memory: one row group. */
export async function firstBadRow(
  fault: Fault,
  url: string | undefined,
  load: FailedLoad,
): Promise<FoundRow | undefined> {
  const { plan } = load;
  if (plan.key.length === 0) return undefined;
  const column = plan.columns.find(({ name }) => name === columnOf(fault));
  const wrong = wrongness(fault.text);
  if (fault.line === 0 && (column === undefined || wrong === undefined)) return undefined;
  const suspects = url === undefined ? load.receipts : load.receipts.filter((receipt) => receipt.url === url);
  return findRow({ ...load, receipts: suspects }, (batch, row, at) => {
    if (column === undefined || wrong === undefined) return at === fault.line;
    return wrong(batch.getChild(column.source.name)?.get(row));
  });
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
