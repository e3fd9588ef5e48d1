/**
 * A gate in front of an S3 server: counts requests, loses answers after the server acted, and makes an honest
 * server of a permissive one (or a permissive one of an honest one) as far as `If-None-Match: *` goes.
 */
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface GateOptions {
  /** Where the server listens: `http://127.0.0.1:PORT`. */
  upstream: string;
  /** `enforce` checks the condition here; `ignore` drops it; `pass` leaves it to the server. */
  conditions: 'enforce' | 'ignore' | 'pass';
}

/** What to do with a request: `before` = cut without sending it on, `after` = cut once the server has answered. */
export type Fault = (method: string, path: string) => 'before' | 'after' | 503 | undefined;

export class S3Gate {
  readonly requests: string[] = [];
  fault: Fault = () => undefined;
  faults = 0;
  private readonly turns = new Map<string, Promise<unknown>>();

  private constructor(
    private readonly options: GateOptions,
    private readonly server: Server,
  ) {
    server.on('request', (incoming, outgoing) => void this.handle(incoming, outgoing));
  }

  static async start(options: GateOptions): Promise<S3Gate> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new S3Gate(options, server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = incoming;
    const body: Buffer[] = [];
    for await (const chunk of incoming) body.push(chunk as Buffer);
    this.requests.push(`${method} ${url}`);
    const fault = this.fault(method, url);
    if (fault !== undefined) this.faults += 1;
    if (fault === 'before') return void outgoing.destroy();
    if (fault === 503) return void outgoing.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
    try {
      const answer = await this.inTurn(url, () => this.answer(incoming, Buffer.concat(body)));
      if (fault === 'after') return void outgoing.destroy();
      outgoing.writeHead(answer.status, answer.headers).end(answer.body);
    } catch {
      outgoing.destroy();
    }
  }

  private async answer(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    const { method = 'GET', url = '/' } = incoming;
    const headers = { ...incoming.headers };
    const conditional = method === 'PUT' && headers['if-none-match'] === '*';
    if (conditional && this.options.conditions !== 'pass') {
      delete headers['if-none-match'];
      if (
        this.options.conditions === 'enforce' &&
        (await this.send('HEAD', url, { host: headers.host }, Buffer.of())).status === 200
      ) {
        const text = '<?xml version="1.0"?><Error><Code>PreconditionFailed</Code><Message>it exists</Message></Error>';
        return {
          status: 412,
          headers: { 'content-type': 'application/xml', date: new Date().toUTCString() },
          body: Buffer.from(text),
        };
      }
    }
    return this.send(method, url, headers, body);
  }

  private send(method: string, path: string, headers: object, body: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.options.upstream);
      const out = request({ hostname, port, method, path, headers: { ...headers } }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
        answer.on('error', reject);
      });
      out.on('error', reject);
      out.end(body);
    });
  }

  /** Requests on one key, one after the other: checking and writing are one step. */
  private inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.turns.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.turns.set(
      key,
      mine.catch(() => {}),
    );
    return mine;
  }
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}
