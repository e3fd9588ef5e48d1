/** The first row that made COPY fail, found in the files themselves: the server seldom says which one it was. */
import { longestString } from '../column/json-strings.js';
import { VARCHAR_BYTES } from '../column/redshift-limits.js';
import { type FoundRow, findRow } from './found-row.js';
import type { FailedLoad } from './redshift-failure.js';
import type { PlannedColumn } from './warehouse.js';

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
  const columns = suspected(fault, plan.columns);
  const wrong = wrongness(fault.text);
  const told = columns.length === 0 || wrong === undefined;
  if (fault.line === 0 && told) return undefined;
  const suspects = url === undefined ? load.receipts : load.receipts.filter((receipt) => receipt.url === url);
  return findRow({ ...load, receipts: suspects }, (batch, row, at) => {
    if (told) return at === fault.line;
    return columns.some(({ source }) => wrong(batch.getChild(source.name)?.get(row)));
  });
}

/** The column that is named, or, where documents are spoken of, all that hold some. */
function suspected({ text, column }: Fault, columns: readonly PlannedColumn[]): PlannedColumn[] {
  const named = column || /(?:data column|into column) (\S+?)(?: is\b|$)/.exec(text)?.[1];
  const found = columns.filter(({ name }) => name === named);
  if (found.length > 0 || !DOCUMENT.test(text)) return found;
  return columns.filter(({ value }) => value('').startsWith('JSON_PARSE('));
}

const DOCUMENT = /JSON_PARSE|max size of 65535 bytes/;

/** What makes a value one the server refused with this text; undefined when its words do not tell. */
function wrongness(text: string): Wrong | undefined {
  const room = /length of the data column.* Table: (\d+)/s.exec(text)?.[1];
  if (room !== undefined) return (value) => value != null && byteLength(value) > Number(room);
  if (/Cannot insert a NULL value/i.test(text)) return (value) => value == null;
  if (/invalid ASCII/i.test(text)) return (value) => typeof value === 'string' && /[^\0-\x7f]/.test(value);
  return DOCUMENT.test(text) ? isNoDocument : undefined;
}

/** No JSON at all, or JSON with a string that is too long for SUPER. */
function isNoDocument(value: unknown): boolean {
  if (value == null) return false;
  const bytes = Buffer.from(value instanceof Uint8Array ? value : (value as string));
  try {
    JSON.parse(bytes.toString('utf8'));
  } catch {
    return true;
  }
  return bytes.length > VARCHAR_BYTES && longestString(bytes) > VARCHAR_BYTES;
}

function byteLength(value: unknown): number {
  return value instanceof Uint8Array ? value.length : Buffer.byteLength(String(value));
}
