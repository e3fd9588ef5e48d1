/**
 * An object under `s3://` or `file://`, read by range or from end to end: for every program that looks into a
 * Parquet file without fetching all of it, and for those that fetch it all.
 *
 * A range that was cut short is asked for again, and only ever of the object that was opened: the etag (of a file:
 * inode, size and time) is pinned, so two halves of two objects cannot be put together.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { stat } from 'node:fs/promises';
import { awsS3 } from '../aws-s3.js';
import { Failure, fileFailure, systemCode } from '../errors.js';
import { parseLocation } from '../location.js';
import { permanent, retry } from '../retry.js';
import { isAbsent, isTaken, s3Failure } from '../s3-failure.js';
import type { Look } from '../watermark/objects.js';
import { openFile } from './stored-file.js';
import { type StoredObject, demandRange } from './stored-object.js';

export interface ObjectAccess {
  /** Opens the client when the first s3:// URL is met. */
  s3: () => Promise<S3Client>;
  signal: AbortSignal;
  /** How long one read is tried again, in milliseconds; default two minutes. */
  patienceMs?: number;
}

/** Opens an object. 66 when there is none, 77 without permission. */
export async function openObject(url: string, access: ObjectAccess): Promise<StoredObject> {
  const at = parseLocation(url);
  if (at.scheme === 'file') return openFile(url, at.path, access.signal);
  const look = await lookAtObject(url, access);
  if (!look) throw new Failure('no-input', `${url}: there is no such object`);
  return new S3Object(url, at, look, access);
}

/** What is under a URL, without opening it; undefined when nothing is. */
export async function lookAtObject(url: string, access: ObjectAccess): Promise<Look | undefined> {
  const at = parseLocation(url);
  if (at.scheme === 'file') {
    const found = await stat(at.path).catch((error: unknown) => absentFile(error, at.path));
    return found && { bytes: found.size };
  }
  const { HeadObjectCommand } = awsS3();
  const client = await access.s3();
  return patiently(access, async () => {
    try {
      const command = new HeadObjectCommand({ Bucket: at.bucket, Key: at.key, ChecksumMode: 'ENABLED' });
      const head = await client.send(command, { abortSignal: access.signal });
      const { ChecksumCRC32: sum = '', ChecksumType: type, ContentLength: bytes } = head;
      if (bytes === undefined) throw new Failure('temporary', `looking at ${url}: an answer without a size`);
      // A composite checksum (of checksums of parts) says nothing to anyone who did not cut the parts.
      const whole = sum !== '' && type !== 'COMPOSITE' && !sum.includes('-');
      return {
        bytes,
        ...(head.ETag === undefined ? {} : { etag: head.ETag }),
        ...(whole ? { crc32: Buffer.from(sum, 'base64').toString('hex') } : {}),
      };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw s3Failure(error, 'looking at', url, 's3:GetObject');
    }
  });
}

class S3Object implements StoredObject {
  readonly byteLength: number;
  readonly etag: string | undefined;
  readonly crc32: string | undefined;

  constructor(
    readonly url: string,
    private readonly at: { bucket: string; key: string },
    look: Look,
    private readonly access: ObjectAccess,
  ) {
    this.byteLength = look.bytes;
    this.etag = look.etag;
    this.crc32 = look.crc32;
  }

  async read(start: number, end: number): Promise<Buffer> {
    demandRange(this, start, end);
    const bytes = Buffer.allocUnsafe(end - start);
    let at = 0;
    for await (const chunk of this.stream(start, end)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  async *stream(start = 0, end = this.byteLength): AsyncGenerator<Uint8Array> {
    demandRange(this, start, end);
    let at = start;
    let barren = 0;
    while (at < end) {
      const before = at;
      const body = await this.body(at, end);
      try {
        for await (const chunk of body) {
          at += chunk.length;
          if (at > end) throw new Failure('protocol', `reading ${this.url}: more bytes came than were asked for`);
          yield chunk;
        }
      } catch (error) {
        const failure = s3Failure(error, 'reading', this.url, 's3:GetObject');
        if (failure.kind !== 'temporary' || this.access.signal.aborted) throw failure;
      }
      // A connection that ended early and one that broke are the same thing: what is missing is asked for.
      barren = at === before ? barren + 1 : 0;
      if (barren > 10) throw new Failure('temporary', `reading ${this.url}: no bytes came from offset ${at} on`);
    }
  }

  async close(): Promise<void> {}

  private async body(start: number, end: number): Promise<AsyncIterable<Uint8Array>> {
    const { GetObjectCommand } = awsS3();
    const client = await this.access.s3();
    const { bucket: Bucket, key: Key } = this.at;
    const pinned = this.etag === undefined ? {} : { IfMatch: this.etag };
    let odd = 0;
    return patiently(this.access, async () => {
      try {
        const command = new GetObjectCommand({ Bucket, Key, Range: `bytes=${start}-${end - 1}`, ...pinned });
        const { Body, ContentRange } = await client.send(command, { abortSignal: this.access.signal });
        if (Body && ContentRange?.startsWith(`bytes ${start}-${end - 1}/`)) return Body as AsyncIterable<Uint8Array>;
        const kind = (odd += 1) < ODD_TRIES ? 'temporary' : 'protocol';
        throw new Failure(kind, `reading ${this.url}: the store does not answer a range with that range`);
      } catch (error) {
        if (isTaken(error) || isAbsent(error)) {
          throw new Failure('data', `${this.url} was replaced or removed while it was read`, { cause: error });
        }
        throw s3Failure(error, 'reading', this.url, 's3:GetObject');
      }
    });
  }
}

/** How often a store may answer something else than was asked for before it is taken for its way. */
const ODD_TRIES = 3;

function absentFile(error: unknown, path: string): undefined {
  if (systemCode(error) === 'ENOENT') return undefined;
  throw fileFailure(error, 'looking at', path);
}

function patiently<T>({ signal, patienceMs }: ObjectAccess, operation: () => Promise<T>): Promise<T> {
  return retry(operation, {
    budgetMs: patienceMs ?? 120_000,
    signal,
    permanent,
  });
}
