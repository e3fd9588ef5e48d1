/** A hundred flipped bits, none accepted; a thousand in flipped-bits.slow.ts. */
import t from 'tap';
import { flipBits } from './flipped-bits.js';

t.setTimeout(120_000);
t.test('a bit that flips in flight is never accepted', (t) => flipBits(t, 100));
