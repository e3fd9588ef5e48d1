/** Tars of Parquet files as to-parquet writes them, made with tar-stream, for tests of what reads them. */
import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import type { EndRecord, Position } from '../../src/end-record.js';
import { parquetFile, provenanceOf } from '../watermark/parquet-file.js';

export interface TestMember {
  name: string;
  bytes: Uint8Array;
  rows: number;
  from: Position | null;
  to: Position;
}

/** `count` members of `rows` rows each that follow one another from `start` on. */
export function parquetMembers(count: number, rows = 3, table = 'shop.orders', start = 0): TestMember[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index;
    const from = at === 0 ? null : [String(at * rows)];
    const to = [String((at + 1) * rows)];
    const bytes = parquetFile(table, from, to, rows);
    const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    return { name: `${from?.[0] ?? ''}-${to[0]}-${hash}.parquet`, bytes, rows, from, to };
  });
}

export function endRecord(members: readonly TestMember[], more: Partial<EndRecord> = {}): EndRecord {
  const sum = (of: (one: TestMember) => number): number => members.reduce((total, one) => total + of(one), 0);
  return {
    status: 'complete',
    rows: sum((one) => one.rows),
    bytes: sum((one) => one.bytes.length),
    run_id: 'run',
    table: 'shop.orders',
    cursor_columns: ['id'],
    from: members[0]?.from ?? null,
    to: members.at(-1)?.to ?? null,
    code: 0,
    ...more,
  };
}

/** The archive; without an end record when `end` is null. */
export async function tarOf(
  members: readonly TestMember[],
  end: EndRecord | null = endRecord(members),
  table = 'shop.orders',
): Promise<Buffer> {
  const tar = pack();
  for (const { name, bytes, rows, from, to } of members) {
    const pax = {
      'TABLEPIPE.rows': String(rows),
      'TABLEPIPE.from': JSON.stringify(from),
      'TABLEPIPE.to': JSON.stringify(to),
      'TABLEPIPE.schema_id': 's1',
      'TABLEPIPE.provenance': JSON.stringify(provenanceOf(table, from, to, rows)),
    };
    tar.entry({ name, pax, mtime: new Date(0) }, Buffer.from(bytes));
  }
  if (end) tar.entry({ name: '_end.json', mtime: new Date(0) }, JSON.stringify(end));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
