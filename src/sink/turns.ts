/** Who waits for a share of something that there is a bounded amount of, and in which order they get it. */

export class Turns {
  private readonly waiting: (() => boolean)[] = [];

  /** Resolves once `take` took what it wants; those who asked first are tried first. */
  turn(take: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error);
      if (take()) return resolve();
      const waiter = (): boolean => {
        if (!take()) return false;
        signal.removeEventListener('abort', stop);
        resolve();
        return true;
      };
      const stop = (): void => {
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.waiting.push(waiter);
    });
  }

  /** To be called when something was given back. */
  wake(): void {
    for (const waiter of [...this.waiting]) if (waiter()) this.waiting.splice(this.waiting.indexOf(waiter), 1);
  }
}
