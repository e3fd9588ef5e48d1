/**
 * What a stage is, and the only place where stages are joined.
 *
 *     source -> codec -> codec -> sink
 *
 * Everything is pulled: a source produces only when the sink asks, so a slow end slows the start and no
 * buffer between stages grows. The unit that moves is a batch or a byte chunk, never a row.
 */

export type Source<Out> = (signal: AbortSignal) => AsyncIterable<Out>;
export type Codec<In, Out> = (input: AsyncIterable<In>, signal: AbortSignal) => AsyncIterable<Out>;
export type Sink<In, Result> = (input: AsyncIterable<In>, signal: AbortSignal) => Promise<Result>;

/** Joins two codecs into one. */
export function chain<A, B, C>(first: Codec<A, B>, second: Codec<B, C>): Codec<A, C> {
  return (input, signal) => second(first(input, signal), signal);
}

/**
 * Runs a source into a sink and returns the sink's result.
 *
 * When the signal fires, the source is cut off at once, even inside an await that never ends; codecs and
 * the sink then see an ordinary error and can still write their abort record. The source's `finally`
 * blocks run in every case.
 */
export async function run<A, Result>(source: Source<A>, sink: Sink<A, Result>, signal: AbortSignal): Promise<Result> {
  return sink(interruptible(source(signal), signal), signal);
}

/** Runs a source through a codec into a sink; see {@link run}. */
export async function runThrough<A, B, Result>(
  source: Source<A>,
  codec: Codec<A, B>,
  sink: Sink<B, Result>,
  signal: AbortSignal,
): Promise<Result> {
  return sink(codec(interruptible(source(signal), signal), signal), signal);
}

/** The same items; a pending `next()` rejects with the signal's reason as soon as the signal fires. */
export async function* interruptible<A>(input: AsyncIterable<A>, signal: AbortSignal): AsyncGenerator<A> {
  const items = input[Symbol.asyncIterator]();
  // A promise for each item: racing every item against one promise that lives as long as the stream would keep
  // all of them in memory, since a promise holds whoever waits for it.
  let wake: (reason: unknown) => void = () => {};
  const onAbort = (): void => wake(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  let finished = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<A>>((resolve, reject) => {
        wake = reject;
        items.next().then(resolve, reject);
      });
      if (next.done) {
        finished = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // An iterator stuck in an await cannot be waited for: it is told, and left to clean up on its own.
    if (!finished) {
      const closing = Promise.resolve(items.return?.()).catch(() => {});
      if (!signal.aborted) await closing;
    }
  }
}
