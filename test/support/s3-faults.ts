/**
 * A proxy in front of an S3 server that does one wrong thing, by script: which operation, which fault, how often.
 * Requests go on byte for byte, so signatures hold. It counts what it did, so a test can prove that the fault fired.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const OPERATIONS = ['put', 'create', 'part', 'complete', 'abort', 'head', 'get', 'list'] as const;
export type Operation = (typeof OPERATIONS)[number] | 'delete' | 'uploads' | 'other';

export const FAULTS = [
  'internal-error',
  'bad-gateway',
  'slow-down',
  'too-many',
  'request-timeout',
  'reset-before',
  'reset-mid',
  'lost-answer',
  'cut-answer',
  'hang',
  'error-in-200',
  'garbled',
] as const;
export type Fault = (typeof FAULTS)[number];

/** What else can be put in the way of one operation, for tests of their own. */
export type Special =
  | { status: number; code: string; headers?: Record<string, string> }
  | { delayMs: number }
  | { dropHeader: string }
  | { bytesPerSecond: number };

interface Scripted {
  operation: Operation;
  fault: Fault | Special;
  times: number;
}

export class S3Faults {
  /** Operations in the order of their arrival. */
  readonly seen: Operation[] = [];
  /** How often a scripted fault happened. */
  fired = 0;
  /** Requests being answered, and the most there ever were. */
  open = 0;
  peak = 0;
  private script: Scripted[] = [];
  private held = false;

  private constructor(
    private readonly upstream: string,
    private readonly server: Server,
  ) {
    server.on('request', (incoming: IncomingMessage, outgoing: ServerResponse) => {
      this.open += 1;
      this.peak = Math.max(this.peak, this.open);
      outgoing.once('close', () => (this.open -= 1));
      this.handle(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  static async start(upstream: string): Promise<S3Faults> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new S3Faults(upstream, server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The next `times` requests of that kind meet the fault; everything scripted before is forgotten. */
  inject(operation: Operation, fault: Fault | Special, times = 1): void {
    this.script = [{ operation, fault, times }];
    this.fired = 0;
  }

  also(operation: Operation, fault: Fault | Special, times = 1): void {
    this.script.push({ operation, fault, times });
  }

  /** Lets everything pass, until {@link resume}. */
  hold(): void {
    this.held = true;
  }

  resume(): void {
    this.held = false;
  }

  clear(): void {
    this.script = [];
    this.seen.length = 0;
    this.peak = 0;
  }

  count(operation: Operation): number {
    return this.seen.filter((one) => one === operation).length;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(operation: Operation): Fault | Special | undefined {
    if (this.held) return undefined;
    const found = this.script.find((one) => one.operation === operation && one.times > 0);
    if (!found) return undefined;
    found.times -= 1;
    this.fired += 1;
    return found.fault;
  }

  private async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const operation = operationOf(incoming);
    this.seen.push(operation);
    const fault = this.take(operation);
    if (fault === 'reset-before') return void outgoing.destroy();
    if (fault === 'reset-mid') {
      // Some of the request is read, or none if it has no body; then the connection breaks.
      await Promise.race([new Promise((resolve) => incoming.once('data', resolve)), sleep(20)]);
      return void outgoing.destroy();
    }
    const rate = typeof fault === 'object' && 'bytesPerSecond' in fault ? fault.bytesPerSecond : undefined;
    const body: Buffer[] = [];
    for await (const chunk of incoming) {
      body.push(chunk as Buffer);
      if (rate !== undefined) await sleep(((chunk as Buffer).length / rate) * 1000);
    }
    const bytes = Buffer.concat(body);
    if (typeof fault === 'object' && 'delayMs' in fault) await sleep(fault.delayMs);
    if (typeof fault === 'object' && 'status' in fault) return refuse(outgoing, fault);
    if (fault === 'internal-error') return refuse(outgoing, { status: 500, code: 'InternalError' });
    if (fault === 'bad-gateway') return refuse(outgoing, { status: 502, code: 'BadGateway' });
    if (fault === 'slow-down') return refuse(outgoing, { status: 503, code: 'SlowDown' });
    if (fault === 'too-many') return refuse(outgoing, { status: 429, code: 'TooManyRequests' });
    // The answer to a HEAD has no body that could name the error.
    if (fault === 'request-timeout')
      return refuse(outgoing, { status: operation === 'head' ? 408 : 400, code: 'RequestTimeout' });
    if (fault === 'error-in-200') return refuse(outgoing, { status: 200, code: 'InternalError' });
    // The client gives up; nothing is sent on.
    if (fault === 'hang') return;
    if (fault === 'garbled') {
      if (bytes.length === 0) return void outgoing.socket?.end('HTTP/9 what\r\n\r\n');
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x10;
    }
    const without = typeof fault === 'object' && 'dropHeader' in fault ? fault.dropHeader : undefined;
    const answer = await this.send(incoming, bytes, without);
    if (fault === 'lost-answer') return void outgoing.destroy();
    outgoing.writeHead(answer.status, answer.headers);
    if (fault === 'cut-answer') {
      outgoing.flushHeaders();
      outgoing.write(answer.body.subarray(0, answer.body.length >> 1));
      await sleep(10);
      return void outgoing.destroy();
    }
    outgoing.end(answer.body);
  }

  private send(incoming: IncomingMessage, body: Buffer, without: string | undefined): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(this.upstream);
      const headers = { ...incoming.headers };
      if (without) delete headers[without];
      const { method, url: path } = incoming;
      const out = request({ hostname, port, method, path, headers }, (answer) => {
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
}

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

function refuse(
  outgoing: ServerResponse,
  { status, code, headers = {} }: { status: number; code: string; headers?: Record<string, string> },
): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code} by script</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(text);
}

function operationOf({ method = 'GET', url = '/' }: IncomingMessage): Operation {
  const { pathname, searchParams: query } = new URL(url, 'http://s3');
  const key = /^\/[^/]+\/./.test(pathname);
  if (method === 'PUT' && key) return query.has('partNumber') ? 'part' : 'put';
  if (method === 'POST' && query.has('uploads')) return 'create';
  if (method === 'POST' && query.has('uploadId')) return 'complete';
  if (method === 'POST' && query.has('delete')) return 'delete';
  if (method === 'DELETE' && query.has('uploadId')) return 'abort';
  if (method === 'HEAD' && key) return 'head';
  if (method === 'GET' && key && !query.has('uploadId')) return 'get';
  if (method === 'GET' && query.has('uploads')) return 'uploads';
  return method === 'GET' && query.has('list-type') ? 'list' : 'other';
}
