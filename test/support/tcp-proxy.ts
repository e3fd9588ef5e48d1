/**
 * A TCP proxy in front of a server of the tests. It passes every byte on until a test tells it what to do wrong: at a
 * byte, at words the client sends, or at once. It counts what it did, so that a test can prove that the fault happened.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type Direction, type TcpAction, TcpLink } from './tcp-link.js';

export type TcpFault = { action: TcpAction } & (
  | {
      /** Bytes are counted from when the fault is the first one waiting, over all connections; it hits the one that carries byte n. */
      direction: Direction;
      afterBytes: number;
    }
  | {
      /** Bytes of the client. They are never seen inside TLS. */
      sees: string | Uint8Array;
      /** `before`: they are not passed on. `after`: they are, and the action takes the place of the server's answer. */
      when: 'before' | 'after';
      /** Which time they are seen; 1 unless given. */
      nth?: number;
    }
);

export interface TcpProxy {
  readonly port: number;
  /** Connections made so far. */
  readonly accepted: number;
  /** Each fault happens once; those armed later wait for those armed before. */
  arm(fault: TcpFault): void;
  /** Forgets the faults that wait. */
  disarm(): void;
  /** Faults that were armed and happened. */
  fired(): number;
  /** Cuts every open connection; says how many. */
  cutAll(): number;
  /** Every open connection passes nothing on any more, and says nothing; says how many. */
  stallAll(): number;
  /** Cuts everything, and every new connection as soon as it is made. */
  refuse(): void;
  /** What is stalled goes on where it stopped, and new connections are served again. */
  resume(): void;
  close(): Promise<void>;
}

/** A simple query of PostgreSQL's protocol that says COMMIT and nothing else (PostgreSQL manual, "Message Formats"). */
export const POSTGRES_COMMIT = Buffer.from('Q\0\0\0\u000bCOMMIT\0', 'latin1');

/** Starts a proxy on a free port of this machine, in front of port `to`. */
export async function startTcpProxy({ to, host = '127.0.0.1' }: { to: number; host?: string }): Promise<TcpProxy> {
  const links = new Set<TcpLink>();
  const waiting: Watch[] = [];
  let [accepted, fired, refusing] = [0, 0, false];
  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (refusing) return void client.on('error', () => {}).destroy();
    accepted += 1;
    const link = new TcpLink(client, connect({ port: to, host, allowHalfOpen: true }));
    links.add(link);
    link.onClosed = () => links.delete(link);
    link.onBytes = (direction, bytes) => {
      const passing = waiting[0]?.look(link, direction, bytes);
      if (passing === undefined) return undefined;
      fired += 1;
      const { fault } = waiting.shift() as Watch;
      return { action: fault.action, passing, atAnswer: 'when' in fault && fault.when === 'after' };
    };
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const each = (act: (link: TcpLink) => void): number => {
    const open = [...links];
    open.forEach(act);
    return open.length;
  };
  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    arm: (fault) => void waiting.push(new Watch(fault)),
    disarm: () => void (waiting.length = 0),
    fired: () => fired,
    cutAll: () => each((link) => link.cut()),
    stallAll: () => each((link) => link.stall()),
    refuse() {
      refusing = true;
      proxy.cutAll();
    },
    resume() {
      refusing = false;
      each((link) => link.resume());
    },
    async close() {
      proxy.refuse();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}

/** Waits for the place of one fault. */
class Watch {
  private passed = 0;
  private seen = 0;
  /** The last bytes of each connection, for words that come in two pieces. */
  private readonly tails = new WeakMap<TcpLink, Buffer>();

  constructor(readonly fault: TcpFault) {}

  /** How many of the bytes still pass before it happens; undefined when it does not happen in them. */
  look(link: TcpLink, direction: Direction, bytes: Buffer): number | undefined {
    const { fault } = this;
    if ('sees' in fault) return direction === 'up' ? this.lookFor(Buffer.from(fault.sees), link, bytes) : undefined;
    if (direction !== fault.direction) return undefined;
    const left = fault.afterBytes - this.passed;
    this.passed += bytes.length;
    return bytes.length >= left ? left : undefined;
  }

  private lookFor(words: Buffer, link: TcpLink, bytes: Buffer): number | undefined {
    const tail = this.tails.get(link) ?? Buffer.alloc(0);
    const text = Buffer.concat([tail, bytes]);
    const { when, nth = 1 } = this.fault as Extract<TcpFault, { sees: unknown }>;
    for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
      this.seen += 1;
      // Words are passed on together with what ends them, or the server would go on waiting.
      if (this.seen === nth) return when === 'after' ? bytes.length : Math.max(0, at - tail.length);
    }
    // One byte less than the words: what was counted once is not found again.
    this.tails.set(link, text.subarray(Math.max(0, text.length - words.length + 1)));
    return undefined;
  }
}
