/** The objects receipts speak of, seen again: their size, checksum, bytes. Reads only. */
import type { S3Client } from '@aws-sdk/client-s3';
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { Failure, fileFailure, systemCode } from '../errors.js';
import { type Location, locationText, parseLocation } from '../location.js';
import { isAbsent, s3Failure } from '../s3-failure.js';

export interface Look {
  bytes: number;
  /** Undefined where there is no such thing. */
  etag?: string;
  /** The store's own CRC-32 of the whole object, eight hex digits, when it keeps one. */
  crc32?: string;
}

export class Objects {
  /** @param s3 opens a client when the first s3:// URL is met */
  constructor(
    private readonly s3: () => Promise<S3Client>,
    private readonly signal: AbortSignal,
  ) {}

  /** What is under a URL; undefined when nothing is. */
  async look(url: string): Promise<Look | undefined> {
    const at = parseLocation(url);
    if (at.scheme === 'file') {
      const found = await stat(at.path).catch((error: unknown) => absentFile(error, at.path));
      return found && { bytes: found.size };
    }
    const { HeadObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      const command = new HeadObjectCommand({ Bucket: at.bucket, Key: at.key, ChecksumMode: 'ENABLED' });
      const head = await (await this.s3()).send(command, { abortSignal: this.signal });
      const whole = head.ChecksumCRC32 && head.ChecksumType !== 'COMPOSITE' && !head.ChecksumCRC32.includes('-');
      return {
        bytes: head.ContentLength ?? 0,
        ...(head.ETag === undefined ? {} : { etag: head.ETag }),
        ...(whole ? { crc32: Buffer.from(head.ChecksumCRC32 ?? '', 'base64').toString('hex') } : {}),
      };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw s3Failure(error, 'looking at', url, 's3:GetObject');
    }
  }

  /** CRC-32 of the bytes, read now, one chunk in memory; eight hex digits. */
  async checksum(url: string): Promise<string> {
    let sum = 0;
    for await (const chunk of await this.body(parseLocation(url))) sum = crc32(chunk, sum);
    return sum.toString(16).padStart(8, '0');
  }

  /** The last `count` bytes, or all when there are fewer. */
  async lastBytes(url: string, size: number, count: number): Promise<Buffer> {
    const from = Math.max(0, size - count);
    const chunks: Uint8Array[] = [];
    for await (const chunk of await this.body(parseLocation(url), from)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** URLs directly and deeper below a folder, in byte order. */
  async *below(folder: string): AsyncGenerator<string> {
    const at = parseLocation(folder);
    if (at.scheme === 'file') {
      const entries = await readdir(at.path, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
        throw fileFailure(error, 'listing', at.path);
      });
      const paths = entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`);
      yield* paths.map((path) => `file://${path.replaceAll(/\/+/g, '/')}`).sort();
      return;
    }
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
    for (let token: string | undefined, more = true; more; ) {
      const page = { Bucket: at.bucket, Prefix: at.key, ...(token === undefined ? {} : { ContinuationToken: token }) };
      const answer = await (await this.s3())
        .send(new ListObjectsV2Command(page), { abortSignal: this.signal })
        .catch((error: unknown) => {
          throw s3Failure(error, 'listing', folder, 's3:ListBucket');
        });
      for (const { Key } of answer.Contents ?? []) yield `s3://${at.bucket}/${Key}`;
      token = answer.NextContinuationToken;
      more = answer.IsTruncated === true && token !== undefined;
    }
  }

  private async body(at: Location, from = 0): Promise<AsyncIterable<Uint8Array>> {
    if (at.scheme === 'file') {
      await open(at.path).then(
        (file) => file.close(),
        (error: unknown) => {
          throw fileFailure(error, 'reading', at.path);
        },
      );
      return createReadStream(at.path, { start: from });
    }
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      const range = from > 0 ? { Range: `bytes=${from}-` } : {};
      const command = new GetObjectCommand({ Bucket: at.bucket, Key: at.key, ...range });
      const { Body } = await (await this.s3()).send(command, { abortSignal: this.signal });
      if (!Body) throw new Failure('temporary', `reading ${locationText(at)}: no answer`);
      return Body as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw s3Failure(error, 'reading', locationText(at), 's3:GetObject');
    }
  }
}

function absentFile(error: unknown, path: string): undefined {
  if (systemCode(error) === 'ENOENT') return undefined;
  throw fileFailure(error, 'looking at', path);
}
