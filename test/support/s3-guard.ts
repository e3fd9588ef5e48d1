/**
 * A guard in front of a permissive S3 double: it enforces the conditions and digests that AWS enforces, one
 * writer of a key at a time, and passes everything else on byte for byte. It checks no signatures.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { crc32 } from 'node:zlib';

export interface GuardSettings {
  upstreamPort: number;
  port: number;
}

interface Refusal {
  status: number;
  code: string;
}

/** Listens until the server is closed. */
export async function startGuard({ upstreamPort, port }: GuardSettings): Promise<Server> {
  const turns = new Map<string, Promise<void>>();
  /** Writers of one key take turns, so looking and writing are one step. */
  const inTurn = async (key: string, work: () => Promise<void>): Promise<void> => {
    const mine = (turns.get(key) ?? Promise.resolve()).then(work);
    const settled = mine.catch(() => {});
    turns.set(key, settled);
    await mine.finally(() => turns.get(key) === settled && turns.delete(key));
  };
  const server = createServer((incoming, outgoing) => {
    const key = (incoming.url ?? '/').replace(/\?.*/, '');
    const guarded = isWrite(incoming) ? inTurn(key, () => write(incoming, outgoing, upstreamPort, key)) : undefined;
    const served = guarded ?? forward(incoming, outgoing, upstreamPort, incoming);
    served.catch(() => outgoing.destroy());
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

/** What replaces or removes an object: PUT of an object or a copy, the end of a multipart upload, DELETE. */
function isWrite({ method, url = '' }: IncomingMessage): boolean {
  if (method === 'PUT' || method === 'DELETE') return !/[?&](partNumber|uploadId)=/.test(url);
  return method === 'POST' && /[?&]uploadId=/.test(url);
}

async function write(incoming: IncomingMessage, outgoing: ServerResponse, port: number, key: string): Promise<void> {
  const refused = await refusal(incoming, port, key);
  // A plain body is small enough to hold, and its digest must be known before the store sees it.
  const digested = Object.keys(incoming.headers).some((name) => name === 'content-md5' || name in DIGESTS);
  const body = refused || digested ? await collect(incoming) : incoming;
  const wrong = refused ?? (Buffer.isBuffer(body) ? badDigest(incoming, body) : undefined);
  if (!wrong) return forward(incoming, outgoing, port, body);
  const text = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${wrong.code}</Code><Message>${wrong.code}</Message></Error>`;
  outgoing.writeHead(wrong.status, { 'content-type': 'application/xml' }).end(text);
}

/** AWS's rules for conditional writes: 412 when the object is not the expected one, 404 when it is not there at all. */
async function refusal({ headers }: IncomingMessage, port: number, key: string): Promise<Refusal | undefined> {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match === undefined && noneMatch === undefined) return undefined;
  const etag = await currentEtag(port, key, headers.host);
  if (noneMatch === '*' && etag !== undefined) return { status: 412, code: 'PreconditionFailed' };
  if (match === undefined) return undefined;
  if (etag === undefined) return { status: 404, code: 'NoSuchKey' };
  return bare(match) === bare(etag) ? undefined : { status: 412, code: 'PreconditionFailed' };
}

const bare = (etag: string): string => etag.replaceAll('"', '');

function currentEtag(port: number, path: string, host: string | undefined): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const ask = request({ host: '127.0.0.1', port, method: 'HEAD', path, headers: { host } }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? answer.headers.etag : undefined);
    });
    ask.on('error', reject).end();
  });
}

/** Digest headers of a plain body and how each is computed, in base64. */
const DIGESTS: Record<string, (body: Buffer) => string> = {
  'x-amz-checksum-crc32': (body) => {
    const word = Buffer.alloc(4);
    word.writeUInt32BE(crc32(body));
    return word.toString('base64');
  },
  'x-amz-checksum-sha1': (body) => createHash('sha1').update(body).digest('base64'),
  'x-amz-checksum-sha256': (body) => createHash('sha256').update(body).digest('base64'),
};

function badDigest({ headers }: IncomingMessage, body: Buffer): Refusal | undefined {
  // A body in signed chunks carries its digest inside; the store checks that one.
  if (String(headers['content-encoding'] ?? '').includes('aws-chunked')) return undefined;
  const md5 = headers['content-md5'];
  const wrong =
    (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64')) ||
    Object.entries(DIGESTS).some(([name, of]) => headers[name] !== undefined && headers[name] !== of(body));
  return wrong ? { status: 400, code: 'BadDigest' } : undefined;
}

async function collect(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Sends the request on as it came, and the answer back as it comes. */
function forward(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  port: number,
  body: IncomingMessage | Buffer,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { method, url: path, headers } = incoming;
    const out = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
      answer.once('error', reject);
      outgoing.once('close', resolve);
    });
    out.once('error', reject);
    outgoing.once('close', () => out.destroy());
    if (Buffer.isBuffer(body)) out.end(body);
    else body.pipe(out);
  });
}
