/** Failures a test asks for by name. Each counts how often it fired, so that a test can assert that it did. */

export type FaultName =
  | 'inject1023'
  | 'inject1023AtCommit'
  | 'injectDeadlock'
  | 'dropAnswerOfCommit'
  | 'dropBeforeCommit'
  | 'dropDuringCopy'
  | 'dropAnswerOfCopy';

export class Faults {
  readonly fired: Partial<Record<FaultName, number>> = {};
  readonly #armed = new Map<FaultName, number>();

  /** The next `times` writing statements fail with 1023. */
  inject1023(times = 1): void {
    this.arm('inject1023', times);
  }

  /** The next `times` COMMITs fail with 1023 and roll back. */
  inject1023AtCommit(times = 1): void {
    this.arm('inject1023AtCommit', times);
  }

  /** The next `times` writing statements are cancelled as the victim of a deadlock. */
  injectDeadlock(times = 1): void {
    this.arm('injectDeadlock', times);
  }

  /** The next `times` COMMITs succeed, and the connection is cut instead of answering. */
  dropAnswerOfCommit(times = 1): void {
    this.arm('dropAnswerOfCommit', times);
  }

  /** The connection is cut when a COMMIT arrives; it is not carried out. */
  dropBeforeCommit(times = 1): void {
    this.arm('dropBeforeCommit', times);
  }

  /** The connection is cut when a COPY arrives; it is not carried out. */
  dropDuringCopy(times = 1): void {
    this.arm('dropDuringCopy', times);
  }

  /** The COPY is carried out, and the connection is cut instead of answering. */
  dropAnswerOfCopy(times = 1): void {
    this.arm('dropAnswerOfCopy', times);
  }

  arm(name: FaultName, times: number): void {
    this.#armed.set(name, times);
  }

  /** True when the fault is to happen here; uses one up. */
  take(name: FaultName): boolean {
    const left = this.#armed.get(name) ?? 0;
    if (left <= 0) return false;
    this.#armed.set(name, left - 1);
    this.fired[name] = (this.fired[name] ?? 0) + 1;
    return true;
  }
}
