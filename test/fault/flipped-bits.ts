/** Bits that flip on their way to the store, at random places of what is sent: the store must not end up with them. */
import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import { S3Scratch, type SinkSettings, chunksOf } from '../support/s3-scratch.js';

/** Ways to send a body: with a checksum, with a signature over its bytes, or with neither. */
const WAYS: readonly SinkSettings[] = [
  { checksum: 'auto' },
  { checksum: 'crc64nvme' },
  { checksum: 'none' },
  { checksum: 'auto', bytesPerSecond: 1e9 },
  { checksum: 'none', bytesPerSecond: 1e9 },
];

/** Flips one bit in each of `flips` objects; none of them may be accepted. */
export async function flipBits(t: Test, flips: number): Promise<void> {
  const s3 = await S3Scratch.open(20_000);
  t.teardown(() => s3.close());
  const { signal } = new AbortController();
  let [accepted, refused] = [0, 0];
  for (let done = 0; done < flips; done += 1) {
    const way = WAYS[done % WAYS.length] as SinkSettings;
    const bytes = randomBytes(2_000 + done);
    const key = s3.key();
    s3.faults.clear();
    s3.faults.arm({ operation: 'put', fault: { flip: Math.random() } });
    try {
      await s3.sink(key, way)(chunksOf(bytes), signal);
      // Sent again, or noticed on reading it back: a receipt needs the right bytes.
      if (!(await s3.content(key))?.equals(bytes)) accepted += 1;
    } catch {
      refused += 1;
    }
    if (s3.faults.fired() !== 1) t.fail('nothing was flipped');
  }
  t.equal(accepted, 0, `${flips} flips, ${refused} of them ended in an error`);
}
