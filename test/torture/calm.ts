/** Keeps the killing of a server away from what needs the server to stand: many may need it at once, one may kill. */
export class Calm {
  #needing = 0;
  #killing = false;
  #waiting: (() => void)[] = [];

  /** While this works, no server is killed. */
  async during<Value>(work: () => Promise<Value>): Promise<Value> {
    while (this.#killing) await this.#change();
    this.#needing += 1;
    try {
      return await work();
    } finally {
      this.#needing -= 1;
      this.#changed();
    }
  }

  /** Waits until nobody needs the servers, then works alone. Gives up, and says so, when `over` comes first. */
  async broken(over: Promise<unknown>, work: () => Promise<void>): Promise<boolean> {
    let late = false;
    void over.then(() => ((late = true), this.#changed()));
    while (this.#killing || this.#needing > 0) {
      if (late) return false;
      await this.#change();
    }
    this.#killing = true;
    try {
      await work();
    } finally {
      this.#killing = false;
      this.#changed();
    }
    return true;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #changed(): void {
    for (const go of this.#waiting.splice(0)) go();
  }
}
