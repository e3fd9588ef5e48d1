/** A thousand flipped bits, none accepted. */
import t from 'tap';
import { flipBits } from './flipped-bits.js';

t.setTimeout(1_200_000);
t.test('a bit that flips in flight is never accepted', (t) => flipBits(t, 1_000));
