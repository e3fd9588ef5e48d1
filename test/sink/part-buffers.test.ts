/** The memory of parts: the same blocks whatever the sizes, and never more of them than were promised. */
import t from 'tap';
import { PartBuffers } from '../../src/sink/part-buffers.js';

const { signal } = new AbortController();

t.test('last parts of every size use the blocks of whole parts', async (t) => {
  const buffers = new PartBuffers(3, 1_000);
  const blocks = new Set<ArrayBufferLike>();
  for (let count = 0; count < 50; count += 1) {
    const parts = [await buffers.take(1_000, signal), await buffers.take(1_000, signal)];
    const tail = await buffers.take(100 + count * 7, signal);
    t.equal(tail.length, 100 + count * 7);
    for (const part of [...parts, tail]) {
      blocks.add(part.buffer);
      buffers.give(part);
    }
  }
  t.equal(blocks.size, 3);
});

t.test('all blocks are there once as many parts have come, also when one was in use at a time', async (t) => {
  const buffers = new PartBuffers(3, 1_000);
  const blocks = new Set<ArrayBufferLike>();
  for (let count = 0; count < 3; count += 1) {
    const part = await buffers.take(1_000, signal);
    blocks.add(part.buffer);
    if (count < 2) buffers.give(part);
  }
  const made = process.memoryUsage().arrayBuffers;
  await buffers.take(1_000, signal);
  await buffers.take(1_000, signal);
  t.equal(blocks.size, 1);
  t.equal(process.memoryUsage().arrayBuffers, made, 'nothing new is made for the others');
});

t.test('a larger part makes fewer and larger blocks, and one is always allowed', async (t) => {
  const buffers = new PartBuffers(4, 1_000);
  const small = await buffers.take(1_000, signal);
  const large = await buffers.take(2_000, signal);
  t.equal(large.length, 2_000);
  let got = false;
  const next = buffers.take(500, signal).then((part) => {
    got = true;
    return part;
  });
  await new Promise(setImmediate);
  t.notOk(got, 'three thousand are held, and a block has two');
  buffers.give(small);
  t.equal((await next).length, 500);
  buffers.give(large);
  buffers.give(await next);
  t.equal((await buffers.take(9_000, signal)).length, 9_000, 'more than all together');
});
