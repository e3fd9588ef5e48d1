/**
 * A proxy in front of an S3 server that does wrong things by script: on which operation, which fault, how often.
 * Requests go on byte for byte with the Host header the client signed, so signatures hold; bodies are held in memory.
 * It counts what it did, so that a test can prove that the fault happened.
 */
import { once } from 'node:events';
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  createServer,
  request,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Operation, operationOf } from './s3-operation.js';

/** Faults a client has to get over. A number is that status with the code S3 gives it. */
export const FAULTS = [
  500,
  502,
  503,
  429,
  'request-timeout',
  'reset-before',
  'reset-mid',
  'reset-after',
  'lose-answer',
  'cut-answer',
  'hang',
  'error-in-200',
  'flip-bit',
] as const;

/** What else can be put in the way of one operation. */
export type Special =
  | { status: number; code: string; headers?: Record<string, string> }
  | { delayMs: number }
  /** The request goes on when this has resolved. */
  | { wait: () => Promise<unknown> }
  /** One bit of the body is another: the one of its first byte times `flip`, which is below 1. */
  | { flip: number }
  | { dropHeader: string }
  | { bytesPerSecond: number };

/** `slow`: the request goes on so late that an impatient client has given up; it takes effect all the same. */
export type S3Fault = (typeof FAULTS)[number] | 'slow' | Special;

export interface ArmedFault {
  operation: Operation | 'any';
  fault: S3Fault;
  /** How many requests meet it; 1 unless given. */
  times?: number;
  /** Only requests with such a path and query. */
  path?: RegExp;
}

export interface S3Request {
  operation: Operation;
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
}

export interface S3Proxy {
  readonly url: string;
  /** Requests in the order of their arrival, for the test to read and to empty. */
  readonly requests: S3Request[];
  count(operation: Operation): number;
  /** The most requests that were ever open at once. */
  peak(): number;
  /** Bytes of the bodies of all answers that were passed on. */
  answered(): number;
  /** Faults armed earlier come first. */
  arm(fault: ArmedFault): void;
  /** How often an armed fault happened. */
  fired(): number;
  /** Lets everything pass, until `resume`. */
  hold(): void;
  resume(): void;
  /** Forgets what is armed, what was asked and every count. */
  clear(): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of this machine, in front of the server at `to`, an http URL. */
export async function startS3Proxy({ to }: { to: string }): Promise<S3Proxy> {
  const requests: S3Request[] = [];
  let armed: (ArmedFault & { times: number })[] = [];
  let [fired, open, peak, answered, held] = [0, 0, 0, 0, false];
  const take = ({ operation, path }: S3Request): S3Fault | undefined => {
    if (held) return undefined;
    const found = armed.find(
      (one) =>
        one.times > 0 && (one.operation === 'any' || one.operation === operation) && (one.path?.test(path) ?? true),
    );
    if (!found) return undefined;
    found.times -= 1;
    fired += 1;
    return found.fault;
  };
  const server = createServer((incoming, outgoing) => {
    open += 1;
    peak = Math.max(peak, open);
    outgoing.once('close', () => (open -= 1));
    const { method = 'GET', url = '/', headers } = incoming;
    const asked = { operation: operationOf(incoming), method, path: url, headers };
    requests.push(asked);
    const count = (bytes: number): void => void (answered += bytes);
    serve({ to, incoming, outgoing, asked, fault: take(asked), count }).catch(() => outgoing.destroy());
  });
  server.requestTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    count: (operation) => requests.filter((one) => one.operation === operation).length,
    peak: () => peak,
    answered: () => answered,
    arm: (fault) => void armed.push({ times: 1, ...fault }),
    fired: () => fired,
    hold: () => void (held = true),
    resume: () => void (held = false),
    clear() {
      armed = [];
      requests.length = 0;
      [fired, peak, answered] = [0, open, 0];
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

interface Exchange {
  to: string;
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  asked: S3Request;
  fault: S3Fault | undefined;
  count: (bytes: number) => void;
}

async function serve({ to, incoming, outgoing, asked, fault, count }: Exchange): Promise<void> {
  if (fault === 'reset-before') return reset(outgoing);
  if (fault === 'reset-mid') {
    // Some of the request is read, or none if it has no body; then the connection breaks.
    await Promise.race([new Promise((resolve) => incoming.once('data', resolve)), sleep(20)]);
    return reset(outgoing);
  }
  const special = typeof fault === 'object' ? fault : undefined;
  const body = await collect(incoming, special && 'bytesPerSecond' in special ? special.bytesPerSecond : undefined);
  if (special && 'delayMs' in special) await sleep(special.delayMs);
  if (special && 'wait' in special) await special.wait();
  if (fault === 'slow') await sleep(SLOW_MS);
  const refusal = refusalOf(fault, asked.operation);
  if (refusal) return refuse(outgoing, refusal);
  // The client gives up; nothing is sent on.
  if (fault === 'hang') return;
  if (fault === 'flip-bit') {
    // A request without a body gets an answer that is not HTTP.
    if (body.length === 0) return void outgoing.socket?.end('HTTP/9 what\r\n\r\n');
    body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 0x10;
  }
  if (special && 'flip' in special) {
    const at = Math.floor(body.length * special.flip);
    body[at] = (body[at] ?? 0) ^ (1 << (at & 7));
  }
  const answer = await send(to, incoming, body, special && 'dropHeader' in special ? special.dropHeader : undefined);
  if (fault === 'lose-answer') return void outgoing.destroy();
  if (fault === 'reset-after') return reset(outgoing);
  count(answer.body.length);
  outgoing.writeHead(answer.status, answer.headers);
  if (fault !== 'cut-answer') return void outgoing.end(answer.body);
  outgoing.flushHeaders();
  outgoing.write(answer.body.subarray(0, answer.body.length >> 1));
  await sleep(10);
  outgoing.destroy();
}

/** How long `slow` lets a client wait. */
const SLOW_MS = 1_500;

function reset(outgoing: ServerResponse): void {
  outgoing.socket?.resetAndDestroy();
}

/** A test that is over does not wait for bytes that crawl. */
async function collect(incoming: IncomingMessage, bytesPerSecond: number | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    if (bytesPerSecond !== undefined) await sleep((chunk.length / bytesPerSecond) * 1000, undefined, { ref: false });
  }
  return Buffer.concat(chunks);
}

interface Answer {
  status: number;
  headers: OutgoingHttpHeaders;
  body: Buffer;
}

async function send(to: string, incoming: IncomingMessage, body: Buffer, without: string | undefined): Promise<Answer> {
  const { hostname, port } = new URL(to);
  const headers = { ...incoming.headers };
  if (without) delete headers[without];
  const { method, url: path } = incoming;
  const asked = request({ hostname, port, method, path, headers });
  asked.on('error', () => {}).end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 500, headers: answer.headers, body: await collect(answer, undefined) };
}

interface Refusal {
  status: number;
  code: string;
  headers?: Record<string, string>;
}

const CODES: Readonly<Record<number, string>> = {
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'BadGateway',
  503: 'SlowDown',
};

function refusalOf(fault: S3Fault | undefined, operation: Operation): Refusal | undefined {
  if (typeof fault === 'number') return { status: fault, code: CODES[fault] ?? 'InternalError' };
  // The answer to a HEAD has no body that could name the error.
  if (fault === 'request-timeout') return { status: operation === 'head' ? 408 : 400, code: 'RequestTimeout' };
  if (fault === 'error-in-200') return { status: 200, code: 'InternalError' };
  return typeof fault === 'object' && 'status' in fault ? fault : undefined;
}

function refuse(outgoing: ServerResponse, { status, code, headers = {} }: Refusal): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${code} by script</Message></Error>`;
  outgoing.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(text);
}
