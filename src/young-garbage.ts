/**
 * Keeps a stream of buffers from filling the memory. A buffer is a small object in front of much memory, so V8 sees
 * little reason to collect: measured on Node 20, a program that reads 400 MB from a pipe grows by 400 MB. A scavenge
 * of the young generation, half a millisecond long, gives them back.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Transfer = (this: ArrayBufferLike, bytes: number) => ArrayBuffer;

let transfer: Transfer | undefined;

/** Node 20 has it behind a flag that new contexts read. */
function transferring(): Transfer {
  const { transfer: known } = ArrayBuffer.prototype as { transfer?: Transfer };
  if (known) return known;
  setFlagsFromString('--harmony-rab-gsab-transfer');
  return runInNewContext('ArrayBuffer.prototype.transfer') as Transfer;
}

/**
 * Gives the memory of a buffer back at once, without any collection: whoever still holds the buffer, or another view
 * into it, finds it empty.
 */
export function freeMemory({ buffer }: Uint8Array): void {
  transfer ??= transferring();
  transfer.call(buffer, 0);
}

type Collect = (options: { type: 'minor' | 'major' }) => void;

let collect: Collect | undefined;

function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/** Counts bytes that went through buffers and collects the young ones every so often, or those that were kept a while. */
export class PassingBytes {
  private sinceLast = 0;

  /** @param everyBytes how much garbage may gather */
  constructor(
    private readonly everyBytes = 8 << 20,
    private readonly type: 'minor' | 'major' = 'minor',
  ) {}

  passed(bytes: number): void {
    this.sinceLast += bytes;
    if (this.sinceLast < this.everyBytes) return;
    this.sinceLast = 0;
    collect ??= collector();
    collect({ type: this.type });
  }
}
