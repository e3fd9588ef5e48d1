/**
 * The line a sink returns for each object that is complete, checksummed and visible, and the end line
 * that closes a stream of them. `seq` has no gaps; the order is the order of the data.
 */
import { isPosition, type Position } from './end-record.js';
import { Failure, upstreamFailure } from './errors.js';
import type { ReadKind } from './provenance.js';

export interface Receipt {
  type: 'object';
  v: 1;
  run_id: string;
  /** 0, 1, 2, … within the run. */
  seq: number;
  table: string;
  url: string;
  bytes: number;
  /** null when the object is not one of ours and its rows are unknown. */
  rows: number | null;
  etag: string;
  /** CRC-32 of the whole object, eight hex digits. */
  crc32: string;
  schema_id: string | null;
  read: ReadKind;
  primary_key: readonly string[];
  cursor_columns: readonly string[];
  from: Position | null;
  to: Position | null;
  /** Upper bound of a backfill: where the cursor stands once the last receipt is committed. */
  until?: string | null;
  write_id: string;
  /** Set by `wm advance` once the watermark chain holds this receipt. */
  generation?: number;
}

export interface ReceiptsEnd {
  type: 'end';
  status: 'complete' | 'aborted';
  run_id: string;
  table: string;
  objects: number;
  rows: number;
  bytes: number;
  code: number;
  /** How the rows were read and where reading began, so that a read that found nothing can still be completed. */
  read?: ReadKind;
  from?: Position | null;
  /** A limit ended the read, so there may be more rows: a backfill goes on, and a snapshot is none. */
  limited?: true;
}

export type ReceiptItem = Receipt | ReceiptsEnd;

/** One NDJSON line, with its newline. */
export function receiptLine(item: ReceiptItem): string {
  return `${JSON.stringify(item)}\n`;
}

/** The largest receipt line accepted, in bytes; receipts are hundreds of bytes long. */
const LINE_BYTES = 1 << 20;

/**
 * Reads receipts; the last item is always the end. Throws 82 when the stream was cut, the writer's own
 * status when it aborted, 65 for anything malformed, out of order or miscounted.
 * Receipts before a cut are yielded: each stands for an object that exists.
 */
export async function* readReceipts(input: AsyncIterable<Uint8Array>): AsyncGenerator<ReceiptItem> {
  let count = 0;
  let rows = 0;
  let end: ReceiptsEnd | undefined;
  for await (const item of ndjsonValues(input)) {
    if (end) throw new Failure('data', 'there is a line after the end of the receipts');
    if (item.type === 'end') {
      end = checkedEnd(item, count, rows);
      continue;
    }
    const receipt = checkedReceipt(item);
    if (receipt.seq !== count) {
      throw new Failure('data', `receipt ${receipt.seq} arrived where receipt ${count} was expected`, {
        hint: 'The receipts were edited, reordered or filtered; pass them on as they are.',
      });
    }
    count += 1;
    rows += receipt.rows ?? 0;
    yield receipt;
  }
  if (!end) {
    throw new Failure('truncated', `the receipts ended before their end line, after ${count} of them`, {
      hint: 'The program that wrote them was killed or lost its connection.',
    });
  }
  yield end;
}

/** One value a line. Every line before a bad one is yielded first; a cut inside the last line is 82. */
async function* ndjsonValues(input: AsyncIterable<Uint8Array>): AsyncGenerator<Record<string, unknown>> {
  for await (const { line, whole } of lines(input)) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      if (!whole) return;
      throw new Failure('data', 'a receipt line is not valid JSON');
    }
    if (value === null || typeof value !== 'object') throw new Failure('data', 'a receipt line is not an object');
    yield value as Record<string, unknown>;
  }
}

/** Lines, at most one in memory; `whole` is false for a last one without its newline. */
async function* lines(input: AsyncIterable<Uint8Array>): AsyncGenerator<{ line: string; whole: boolean }> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield { line: Buffer.concat([...pieces, rest.subarray(0, end)]).toString('utf8'), whole: true };
      rest = rest.subarray(end + 1);
      pieces = [];
      bytes = 0;
    }
    pieces.push(rest);
    bytes += rest.length;
    // A wrong file on stdin must not fill the memory.
    if (bytes > LINE_BYTES) throw new Failure('data', `a receipt line is longer than ${LINE_BYTES} bytes`);
  }
  if (bytes > 0) yield { line: Buffer.concat(pieces).toString('utf8'), whole: false };
}

function checkedReceipt(value: Record<string, unknown>): Receipt {
  const ok =
    value.type === 'object' &&
    value.v === 1 &&
    typeof value.run_id === 'string' &&
    Number.isSafeInteger(value.seq) &&
    typeof value.table === 'string' &&
    typeof value.url === 'string' &&
    Number.isSafeInteger(value.bytes) &&
    (value.rows === null || Number.isSafeInteger(value.rows)) &&
    typeof value.etag === 'string' &&
    typeof value.crc32 === 'string' &&
    typeof value.write_id === 'string' &&
    Array.isArray(value.cursor_columns) &&
    Array.isArray(value.primary_key) &&
    isPosition(value.from) &&
    isPosition(value.to);
  if (!ok) throw new Failure('data', `a receipt line does not have the expected fields (type ${String(value.type)})`);
  return value as unknown as Receipt;
}

function checkedEnd(value: Record<string, unknown>, count: number, rows: number): ReceiptsEnd {
  const end = value as unknown as ReceiptsEnd;
  if (end.status === 'aborted') throw upstreamFailure(Number(end.code) || 70, rows);
  if (end.status !== 'complete') throw new Failure('data', 'the end line of the receipts has no status');
  if (end.objects !== count || end.rows !== rows) {
    throw new Failure(
      'data',
      `${count} receipts with ${rows} rows arrived, the end line counts ${end.objects} with ${end.rows}`,
    );
  }
  return end;
}
