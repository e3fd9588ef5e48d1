/** Asks for the next items while the last one is still being used. */
import { Failure } from '../errors.js';
import type { Source } from '../stage.js';

/**
 * The same items, in order, up to `depth` of them asked for in advance; memory holds that many more. Closing early
 * aborts the source's own signal first: an item that was asked for may be long in coming.
 */
export function readAhead<T>(source: Source<T>, depth: number): Source<T> {
  return async function* ahead(signal) {
    const closed = new AbortController();
    const items = source(AbortSignal.any([signal, closed.signal]))[Symbol.asyncIterator]();
    const asked: Promise<IteratorResult<T>>[] = [];
    const ask = (): void => {
      const next = Promise.resolve(items.next());
      // The failure is thrown where its turn comes.
      next.catch(() => {});
      asked.push(next);
    };
    try {
      for (;;) {
        while (asked.length <= depth) ask();
        const next = await (asked.shift() as Promise<IteratorResult<T>>);
        if (next.done) return;
        yield next.value;
      }
    } finally {
      closed.abort(new Failure('reader-left', 'nobody wants the rest of the rows'));
      await items.return?.();
    }
  };
}
