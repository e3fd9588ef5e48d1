/** What waits for its number to be known: the same bytes, though the writer's memory is used for something else meanwhile. */
import t from 'tap';
import { Spool } from '../../src/sink/spool.js';
import { freeMemory } from '../../src/young-garbage.js';
import { gathered } from '../fixture/converted.js';

const MEMORY_BYTES = 100;

for (const sizes of [[40, 60], [40, 61], [101, 1, 99, 2], [50, 50, 50], []]) {
  t.test(`chunks of ${sizes.join(', ') || 'nothing'}`, async (t) => {
    const spool = new Spool(t.testdir(), MEMORY_BYTES);
    const parts = sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
    const all = Buffer.concat(parts);
    for (const part of parts) {
      await spool.write(part);
      freeMemory(part);
      t.equal(part.length, 0, 'its memory went back');
    }
    t.equal(spool.bytes, all.length);
    t.same(await gathered(spool.read()), all);
    for (const [start, end] of [
      [0, 1],
      [39, 62],
      [99, 103],
    ] as const) {
      t.same(await spool.range(start, end), all.subarray(start, end), `${start} to ${end}`);
    }
    await spool.discard();
  });
}
