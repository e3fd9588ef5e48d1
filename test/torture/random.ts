/** Random numbers that a seed repeats. Whoever draws has a stream of its own, so that timing changes nothing. */
import { createHash } from 'node:crypto';

export class Random {
  #state: number;

  /** @param seed any text; streams of different texts have nothing to do with each other */
  constructor(seed: string) {
    this.#state = createHash('sha256').update(seed).digest().readUInt32LE(0);
  }

  /** From 0 up to, not including, 1 (mulberry32: 32 bits of state are plenty for a plan of some thousand draws). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  chance(share: number): boolean {
    return this.fraction() < share;
  }

  pick<Value>(list: readonly Value[]): Value {
    return list[this.whole(0, list.length - 1)] as Value;
  }

  /** One of the values, each as often as its weight says. */
  weighted<Value>(list: readonly (readonly [number, Value])[]): Value {
    let left = this.fraction() * list.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of list) if ((left -= weight) < 0) return value;
    return (list.at(-1) as readonly [number, Value])[1];
  }

  /** Letters that no codec makes much smaller. */
  letters(count: number): string {
    const bytes = Buffer.alloc(Math.ceil((count * 3) / 4));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = this.fraction() * 256;
    return bytes.toString('base64').slice(0, count);
  }
}
