/**
 * The requests that make one S3 object, each sent once: what they carry, and what their errors mean. Retrying and
 * deciding is the caller's. The client must not retry by itself.
 */
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3';
import type { Readable } from 'node:stream';
import { awsS3 } from '../aws-s3.js';
import { Failure } from '../errors.js';
import { storeNow } from '../s3-clock.js';
import { httpStatus, isAbsent, isDamaged, isTaken, s3Failure } from '../s3-failure.js';
import { type Checksums, type Sum, refusesChecksums } from './checksums.js';
import type { Condition } from './renewal.js';
import type { Traffic } from './traffic.js';

export interface ObjectOptions {
  storageClass: string | undefined;
  sse: string | undefined;
  kmsKeyId: string | undefined;
  /** URL-encoded `key=value&key=value`, as S3 takes them. */
  tags: string | undefined;
}

export interface Head {
  bytes: number;
  etag: string;
  /** When it was last written, and what time it was then for the store: milliseconds since 1970. */
  modified: number;
  seen: number;
  /** The store's checksums of the whole object, base64, by name. */
  sums: Readonly<Record<string, string | undefined>>;
}

export class S3Requests {
  readonly url: string;

  constructor(
    private readonly client: S3Client,
    readonly at: { bucket: string; key: string },
    private readonly options: ObjectOptions,
    private readonly checksums: Checksums,
    private readonly traffic: Traffic,
  ) {
    this.url = `s3://${at.bucket}/${at.key}`;
  }

  /** True when the store compares every body with a checksum or a signature of it. */
  get checked(): boolean {
    // A paced body is a stream, and a stream is sent without a signature over its bytes.
    return this.checksums.sent || !this.traffic.pace.kept;
  }

  /** What is under the key; undefined when nothing is. */
  async head(signal: AbortSignal): Promise<Head | undefined> {
    const { HeadObjectCommand } = awsS3();
    try {
      const answer = await this.client.send(new HeadObjectCommand({ ...this.name, ChecksumMode: 'ENABLED' }), {
        abortSignal: signal,
      });
      const whole = answer.ChecksumType !== 'COMPOSITE';
      const { ContentLength: bytes, ETag: etag } = answer;
      if (bytes === undefined || !etag) {
        throw new Failure('temporary', `looking at ${this.url}: an answer without size or etag`);
      }
      return {
        bytes,
        etag,
        modified: answer.LastModified?.getTime() ?? 0,
        seen: storeNow(this.client),
        sums: whole ? { CRC32: answer.ChecksumCRC32, CRC64NVME: answer.ChecksumCRC64NVME } : {},
      };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      // Without the right to list, an object that is not there looks forbidden.
      throw this.failure(error, 'looking at', 's3:GetObject and s3:ListBucket');
    }
  }

  /** The whole object in one request, if the condition holds. When it does not, the 412 or 404 is thrown as it is. */
  async put(body: Buffer, sum: Sum, condition: Condition, signal: AbortSignal): Promise<void> {
    const { PutObjectCommand } = awsS3();
    await this.withChecksums(
      'writing',
      's3:PutObject',
      async () =>
        this.client.send(
          new PutObjectCommand({
            ...this.name,
            ...this.wants,
            ...this.payload(body, signal),
            ...this.checksums.ofPart(body, sum),
            ...condition,
          }),
          { abortSignal: signal },
        ),
      (error) => isTaken(error) || isAbsent(error),
    );
  }

  async create(signal: AbortSignal): Promise<string> {
    const { CreateMultipartUploadCommand } = awsS3();
    return this.withChecksums('starting the upload of', 's3:PutObject', async () => {
      const command = new CreateMultipartUploadCommand({ ...this.name, ...this.wants, ...this.checksums.ofUpload() });
      const { UploadId } = await this.client.send(command, { abortSignal: signal });
      if (!UploadId) throw new Failure('protocol', `starting the upload of ${this.url}: the store gave no upload id`);
      return UploadId;
    });
  }

  async part(
    UploadId: string,
    PartNumber: number,
    body: Buffer,
    sum: Sum,
    signal: AbortSignal,
  ): Promise<CompletedPart> {
    const { UploadPartCommand } = awsS3();
    return this.withChecksums(`uploading part ${PartNumber} of`, 's3:PutObject', async () => {
      const checksum = this.checksums.ofPart(body, sum);
      const command = new UploadPartCommand({
        ...this.name,
        UploadId,
        PartNumber,
        ...this.payload(body, signal),
        ...checksum,
      });
      const { ETag } = await this.client.send(command, { abortSignal: signal });
      if (!ETag) throw new Failure('protocol', `uploading part ${PartNumber} of ${this.url}: the store gave no etag`);
      return { PartNumber, ETag, ...this.checksums.ofCompletedPart(checksum) };
    });
  }

  /** Makes the parts one visible object, if the condition holds. Errors are thrown as they are. */
  async complete(
    UploadId: string,
    Parts: CompletedPart[],
    bytes: number,
    sum: Sum,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<void> {
    const { CompleteMultipartUploadCommand } = awsS3();
    const send = () => {
      const checksum = this.checksums.ofWhole(sum, bytes);
      const request = { ...this.name, UploadId, MultipartUpload: { Parts }, ...condition, ...checksum };
      return this.client.send(new CompleteMultipartUploadCommand(request), { abortSignal: signal });
    };
    try {
      await send();
    } catch (error) {
      if (!refusesChecksums(error) || !this.checksums.giveUp()) throw error;
      await send();
    }
  }

  /** Removes the parts of an upload; one that is not there is fine. */
  async abort(UploadId: string, signal: AbortSignal): Promise<void> {
    const { AbortMultipartUploadCommand } = awsS3();
    try {
      await this.client.send(new AbortMultipartUploadCommand({ ...this.name, UploadId }), { abortSignal: signal });
    } catch (error) {
      if (!isAbsent(error)) throw this.failure(error, 'aborting the upload of', 's3:AbortMultipartUpload');
    }
  }

  /** Every unfinished upload under the name; those that someone else began as well. */
  async uploads(signal: AbortSignal): Promise<string[]> {
    const { ListMultipartUploadsCommand } = awsS3();
    try {
      const command = new ListMultipartUploadsCommand({ Bucket: this.at.bucket, Prefix: this.at.key });
      const { Uploads = [] } = await this.client.send(command, { abortSignal: signal });
      return Uploads.filter(({ Key }) => Key === this.at.key).flatMap(({ UploadId }) => UploadId ?? []);
    } catch (error) {
      throw this.failure(error, 'listing the uploads of', 's3:ListBucketMultipartUploads');
    }
  }

  /** The bytes of the object, read back: for stores that keep no checksum of the whole. */
  async *content(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { GetObjectCommand } = awsS3();
    try {
      const { Body } = await this.client.send(new GetObjectCommand(this.name), { abortSignal: signal });
      yield* (Body ?? []) as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw this.failure(error, 'reading back', 's3:GetObject');
    }
  }

  failure(error: unknown, doing: string, action: string): Failure {
    if (httpStatus(error) === 503 || httpStatus(error) === 429) this.traffic.throttled();
    return s3Failure(error, doing, this.url, action);
  }

  /** Sends; when the store refuses checksums it has not heard of, and we may choose, once more without. */
  private async withChecksums<T>(
    doing: string,
    action: string,
    send: () => Promise<T>,
    asItIs: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (refusesChecksums(error) && this.checksums.giveUp()) return this.withChecksums(doing, action, send, asItIs);
      if (asItIs(error)) throw error;
      if (isDamaged(error)) throw new Damaged(error);
      throw this.failure(error, doing, action);
    }
  }

  private get name(): { Bucket: string; Key: string } {
    return { Bucket: this.at.bucket, Key: this.at.key };
  }

  private get wants() {
    const { storageClass, sse, kmsKeyId, tags } = this.options;
    return {
      ...(storageClass === undefined ? {} : { StorageClass: storageClass as 'STANDARD' }),
      ...(sse === undefined ? {} : { ServerSideEncryption: sse as 'AES256' }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
      ...(tags === undefined ? {} : { Tagging: tags }),
    };
  }

  private payload(body: Buffer, signal: AbortSignal): { Body: Buffer | Readable; ContentLength: number } {
    return { Body: this.traffic.pace.body(body, signal), ContentLength: body.length };
  }
}

/** What arrived at the store is not what was sent. */
export class Damaged extends Error {
  constructor(cause: unknown) {
    super('damaged on the way', { cause });
  }
}
