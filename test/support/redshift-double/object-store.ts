/** Reads S3 for COPY through the client a test gives, in S3's own error words. Whole objects in memory: test sizes only. */
import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { denied } from './authorization.js';
import { SqlError } from './sql-error.js';

export interface Found {
  bucket: string;
  key: string;
  bytes: number;
}

export interface ObjectStore {
  /** Undefined when there is no such object. */
  head(bucket: string, key: string): Promise<Found | undefined>;
  read(bucket: string, key: string): Promise<Buffer | undefined>;
  list(bucket: string, prefix: string): Promise<Found[]>;
  /** The region of a bucket as the store reports it, undefined when it does not. */
  region(bucket: string): Promise<string | undefined>;
}

export function objectStore(client: S3Client): ObjectStore {
  return {
    async head(bucket, key) {
      const head = await missing(client.send(new HeadObjectCommand({ Bucket: bucket, Key: key })));
      return head === undefined ? undefined : { bucket, key, bytes: head.ContentLength ?? 0 };
    },
    async read(bucket, key) {
      const object = await missing(client.send(new GetObjectCommand({ Bucket: bucket, Key: key })));
      if (object?.Body === undefined) return undefined;
      return Buffer.from(await object.Body.transformToByteArray());
    },
    async list(bucket, prefix) {
      const found: Found[] = [];
      let token: string | undefined;
      do {
        const page = await guarded(
          client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })),
        );
        for (const item of page.Contents ?? []) found.push({ bucket, key: item.Key ?? '', bytes: item.Size ?? 0 });
        token = page.NextContinuationToken;
      } while (token !== undefined);
      return found;
    },
    async region(bucket) {
      const head = await guarded(client.send(new HeadBucketCommand({ Bucket: bucket })));
      return head.BucketRegion;
    },
  };
}

async function missing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const { name } = error as Error;
    if (name === 'NoSuchKey' || name === 'NotFound') return undefined;
    throw worded(error);
  }
}

async function guarded<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw worded(error);
  }
}

function worded(error: unknown): SqlError {
  const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  if (status === 403 || name === 'AccessDenied') return denied('Access Denied,Status 403,Error AccessDenied');
  if (name === 'NoSuchBucket' || (status === 404 && name === 'NotFound')) {
    return denied('The specified bucket does not exist,Status 404,Error NoSuchBucket');
  }
  return denied(`${name},Status ${status ?? 'none'}`);
}
