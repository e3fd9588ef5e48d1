/** The ways of one round to its servers, each through a proxy of its own: a fault meets this round and no other. */
import { type S3Proxy, startS3Proxy } from '../support/s3-proxy.js';
import { POSTGRES_COMMIT, type TcpProxy, startTcpProxy } from '../support/tcp-proxy.js';
import type { Cut, ServerName } from './fault.js';
import { type Counts, count } from './tally.js';

export class Ways {
  /** What was armed on each proxy, in order; the first ones have happened. */
  readonly #armed: Readonly<Record<ServerName, Cut[]>> = { mysql: [], warehouse: [], s3: [] };
  #counted: Record<ServerName, number> = { mysql: 0, warehouse: 0, s3: 0 };

  private constructor(
    private readonly proxies: Readonly<Record<ServerName, TcpProxy>>,
    readonly answers: S3Proxy,
  ) {}

  static async open(to: { mysql: number; warehouse: number; s3: string }): Promise<Ways> {
    const answers = await startS3Proxy({ to: to.s3 });
    const [mysql, warehouse, s3] = await Promise.all([
      startTcpProxy({ to: to.mysql }),
      startTcpProxy({ to: to.warehouse }),
      startTcpProxy({ to: Number(new URL(answers.url).port) }),
    ]);
    return new Ways({ mysql, warehouse, s3 }, answers);
  }

  get ports(): Record<ServerName, number> {
    const { mysql, warehouse, s3 } = this.proxies;
    return { mysql: mysql.port, warehouse: warehouse.port, s3: s3.port };
  }

  arm(server: ServerName, cuts: readonly Cut[]): void {
    for (const cut of cuts) {
      this.#armed[server].push(cut);
      this.proxies[server].arm('sees' in cut ? { ...cut, sees: POSTGRES_COMMIT } : cut);
    }
  }

  /** How many of the armed have happened. */
  happened(server: ServerName): number {
    return this.proxies[server].fired();
  }

  cutAll(server: ServerName): number {
    return this.proxies[server].cutAll();
  }

  refuse(server: ServerName): void {
    this.proxies[server].refuse();
  }

  resume(server: ServerName): void {
    this.proxies[server].resume();
  }

  /** After a run: nothing waits any more, everything passes, and what happened is counted. */
  settle(counts: Counts): void {
    for (const server of ['mysql', 'warehouse', 's3'] as const) {
      const proxy = this.proxies[server];
      proxy.disarm();
      proxy.resume();
      const happened = proxy.fired();
      for (const { action } of this.#armed[server].slice(0, happened - this.#counted[server])) {
        if (action === 'stall') count(counts.others, 'connections stalled');
        else count(counts.cuts, `${server} ${action}`);
      }
      this.#armed[server].length = 0;
      this.#counted[server] = happened;
    }
    count(counts.others, 'answers of S3 spoilt', this.answers.fired());
    this.answers.clear();
  }

  async close(): Promise<void> {
    await Promise.all([...Object.values(this.proxies), this.answers].map((proxy) => proxy.close()));
  }
}
