/**
 * A store below an S3 prefix. Creation is a PUT with `If-None-Match: *`; the outcome of one whose answer was
 * lost is left to the caller, who reads the key and compares. The client must not retry by itself.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { awsS3 } from '../aws-s3.js';
import { Failure } from '../errors.js';
import { isAbsent, isTaken, s3Failure } from '../s3-failure.js';
import { type Created, FILE_BYTES, type Page, type WatermarkStore } from './store.js';

export class S3Store implements WatermarkStore {
  readonly url: string;
  readonly paged = true;
  /** The server's clock at its last answer, and when that was here: by a clock that nobody sets. */
  private heard = { at: Date.now(), here: performance.now() };

  /** @param prefix key prefix, empty or ending in `/` */
  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
    private readonly prefix: string,
  ) {
    this.url = `s3://${bucket}/${prefix}`;
    this.watchClock();
  }

  async create(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<Created> {
    try {
      return { outcome: 'created', ...(await this.put(key, bytes, { IfNoneMatch: '*' }, signal)) };
    } catch (error) {
      if (isTaken(error)) return { outcome: 'exists' };
      throw s3Failure(error, 'creating', this.url + key, 's3:PutObject');
    }
  }

  async read(key: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { GetObjectCommand } = awsS3();
    try {
      const command = new GetObjectCommand({ Bucket: this.bucket, Key: this.prefix + key });
      const answer = await this.client.send(command, { abortSignal: signal });
      if ((answer.ContentLength ?? 0) > FILE_BYTES) {
        throw new Failure(
          'data',
          `${this.url}${key} has ${answer.ContentLength} bytes; at most ${FILE_BYTES} are read`,
        );
      }
      const bytes = await answer.Body?.transformToByteArray();
      if (bytes === undefined || bytes.length !== answer.ContentLength) {
        throw new Failure('temporary', `reading ${this.url}${key}: the answer was cut short`);
      }
      return bytes;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw s3Failure(error, 'reading', this.url + key, 's3:GetObject');
    }
  }

  async replace(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    try {
      await this.put(key, bytes, {}, signal);
    } catch (error) {
      throw s3Failure(error, 'writing', this.url + key, 's3:PutObject');
    }
  }

  async remove(key: string, signal: AbortSignal): Promise<void> {
    const { DeleteObjectCommand } = awsS3();
    try {
      const command = new DeleteObjectCommand({ Bucket: this.bucket, Key: this.prefix + key });
      await this.client.send(command, { abortSignal: signal });
    } catch (error) {
      if (!isAbsent(error)) throw s3Failure(error, 'removing', this.url + key, 's3:DeleteObject');
    }
  }

  async list(folder: string, after: string, signal: AbortSignal): Promise<Page> {
    const base = `${this.prefix}${folder}/`;
    for (let token: string | undefined; ; ) {
      const answer = await this.page(base, after === '' ? undefined : base + after, token, signal);
      const entries = (answer.Contents ?? []).map((object) => ({
        name: (object.Key ?? '').slice(base.length),
        bytes: object.Size ?? 0,
        ...(object.ETag === undefined ? {} : { etag: object.ETag }),
      }));
      token = answer.NextContinuationToken;
      // A page of nothing but folders says nothing yet.
      const more = answer.IsTruncated === true && token !== undefined;
      if (entries.length === 0 && more) continue;
      // S3 sorts by byte; some servers in its place sort by locale, which moves `_` before the digits.
      return { entries: entries.sort((a, b) => (a.name < b.name ? -1 : 1)), more };
    }
  }

  async folders(signal: AbortSignal): Promise<readonly string[]> {
    const found: string[] = [];
    for (let token: string | undefined, more = true; more; ) {
      const answer = await this.page(this.prefix, undefined, token, signal);
      for (const { Prefix } of answer.CommonPrefixes ?? []) found.push((Prefix ?? '').slice(this.prefix.length, -1));
      token = answer.NextContinuationToken;
      more = answer.IsTruncated === true && token !== undefined;
    }
    return found.filter((name) => name !== '' && !name.startsWith('_'));
  }

  now(): number {
    return this.heard.at + performance.now() - this.heard.here;
  }

  private async page(prefix: string, after: string | undefined, token: string | undefined, signal: AbortSignal) {
    const { ListObjectsV2Command } = awsS3();
    try {
      const command = new ListObjectsV2Command({
        Bucket: this.bucket,
        Prefix: prefix,
        Delimiter: '/',
        ...(after === undefined ? {} : { StartAfter: after }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      });
      return await this.client.send(command, { abortSignal: signal });
    } catch (error) {
      throw s3Failure(error, 'listing', `s3://${this.bucket}/${prefix}`, 's3:ListBucket');
    }
  }

  private async put(key: string, bytes: Uint8Array, condition: { IfNoneMatch?: string }, signal: AbortSignal) {
    const { PutObjectCommand } = awsS3();
    const command = new PutObjectCommand({
      Bucket: this.bucket,
      Key: this.prefix + key,
      Body: bytes,
      ContentType: 'application/json',
      ...condition,
    });
    const answer = await this.client.send(command, { abortSignal: signal });
    return answer.ETag === undefined ? {} : { etag: answer.ETag };
  }

  /** Every answer carries a Date; the last one decides what time it is. */
  private watchClock(): void {
    this.client.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        const { headers } = (result.response ?? {}) as { headers?: Record<string, string> };
        const at = Date.parse(headers?.date ?? '');
        if (Number.isFinite(at)) this.heard = { at, here: performance.now() };
        return result;
      },
      { step: 'deserialize', priority: 'low', name: 'tablepipeClock', override: true },
    );
  }
}
