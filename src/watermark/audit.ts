/** Checking a whole chain: every file, every link, and the objects that are still needed. */
import { Failure } from '../errors.js';
import type { Receipt } from '../receipt.js';
import type { Chain } from './chain.js';
import { type Generation, parseGeneration, sha256 } from './generation.js';
import type { Objects } from './objects.js';

export interface Finding {
  /** `gone`: a loaded object that is no longer there, which s3-clean may have removed: no error. */
  level: 'error' | 'gone';
  generation: number;
  url?: string;
  message: string;
}

export interface AuditOptions {
  objects: Objects | undefined;
  /** Reads every object and computes its checksum instead of believing the store's own. */
  read: boolean;
  /** Told about each generation. */
  onGeneration?: () => void;
}

/** Yields what is wrong, in the order of the chain; nothing when all is well. One generation in memory. */
export async function* audit(chain: Chain, { objects, read, onGeneration }: AuditOptions): AsyncGenerator<Finding> {
  const ranges = (await chain.tail())?.link?.doc.state.pending ?? [];
  let before: { sha256: string; doc?: Generation; generation: number } | undefined;
  for await (const { generation, bytes } of chain.files()) {
    onGeneration?.();
    const mark = sha256(bytes);
    let doc: Generation | undefined;
    try {
      ({ doc } = parseGeneration(bytes, chain.table, generation));
    } catch (error) {
      yield { level: 'error', generation, message: `cannot be read: ${(error as Failure).message}` };
    }
    if (doc && before && doc.prev_sha256 !== before.sha256) {
      yield { level: 'error', generation, message: `does not name generation ${before.generation} as it is` };
    }
    const needed = ranges.some(([first, last]) => generation >= first && generation <= last);
    for (const receipt of (objects && doc?.receipts) || []) {
      const message = await trouble(objects as Objects, receipt, read);
      if (message === undefined) continue;
      const gone = message === GONE && !needed;
      yield { level: gone ? 'gone' : 'error', generation, url: receipt.url, message };
    }
    before = { sha256: mark, generation };
  }
}

const GONE = 'there is no such object';

async function trouble(objects: Objects, receipt: Receipt, read: boolean): Promise<string | undefined> {
  const look = await objects.look(receipt.url);
  if (!look) return GONE;
  if (look.bytes !== receipt.bytes) return `it has ${look.bytes} bytes, the receipt says ${receipt.bytes}`;
  const sum = read || look.etag === undefined ? await objects.checksum(receipt.url) : look.crc32;
  if (sum !== undefined && sum !== receipt.crc32) return `its CRC-32 is ${sum}, the receipt says ${receipt.crc32}`;
  if (sum === undefined && look.etag !== receipt.etag) return 'its etag is not the one in the receipt';
  return undefined;
}
