/**
 * The manifest COPY reads its files from: every object by its whole key, with its exact size, none of them optional
 * (reference/redshift.md section 2). Each attempt writes one of its own, under a name nobody else has, and removes it.
 */
import { randomBytes } from 'node:crypto';
import type { S3Client } from '@aws-sdk/client-s3';
import { awsS3 } from '../aws-s3.js';
import { Failure } from '../errors.js';
import { parseLocation } from '../location.js';
import { permanent, retry } from '../retry.js';
import { isTaken, s3Failure } from '../s3-failure.js';

export interface ManifestFile {
  url: string;
  bytes: number;
}

/** Suffixes after which COPY takes a Parquet object for a compressed file (reference/redshift.md 1.6). */
const WHOLE_FILE = /\.(?:gz|snappy|bz2)$/;

export function manifestText(files: readonly ManifestFile[]): string {
  const entries = files.map(({ url, bytes }) => {
    if (parseLocation(url).scheme !== 's3') {
      throw new Failure('config', `${url}: Redshift loads from s3:// only`, {
        hint: 'Put the files there with s3-put.',
      });
    }
    if (WHOLE_FILE.test(url)) {
      throw new Failure('data', `${url}: COPY would decompress the whole object because of the end of its name`, {
        hint: 'Name Parquet objects *.parquet; their compression is inside.',
      });
    }
    return { url, mandatory: true, meta: { content_length: bytes } };
  });
  return `${JSON.stringify({ entries }, null, 1)}\n`;
}

/** `s3://bucket/_tablepipe/manifests/`: in the bucket of the data, so that no further permission is needed. */
export function defaultManifestFolder(url: string): string {
  const at = parseLocation(url);
  if (at.scheme !== 's3') throw new Failure('config', `${url}: Redshift loads from s3:// only`);
  return `s3://${at.bucket}/_tablepipe/manifests/`;
}

/** A name for one attempt below `folder`. */
export function manifestUrl(folder: string, table: string): string {
  const plain = table.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, 100);
  return `${folder}${folder.endsWith('/') ? '' : '/'}${plain}-${randomBytes(12).toString('hex')}.manifest`;
}

const PATIENCE_MS = 60_000;

/** Writes it where nothing is; resolves when it can be read. */
export async function putManifest(s3: S3Client, url: string, text: string, signal: AbortSignal): Promise<void> {
  const { PutObjectCommand } = awsS3();
  const at = bucketAndKey(url);
  const command = { ...at, Body: Buffer.from(text), ContentType: 'application/json', IfNoneMatch: '*' };
  await retry(
    async (attempt) => {
      try {
        await s3.send(new PutObjectCommand(command), { abortSignal: signal });
      } catch (error) {
        // The name is random: one that is taken on a repetition is this very write, whose answer was lost.
        if (attempt > 1 && isTaken(error)) return;
        throw s3Failure(error, 'writing the manifest', url, 's3:PutObject');
      }
    },
    { budgetMs: PATIENCE_MS, signal, permanent },
  );
}

/** Removes it. One that stays behind is found by `s3-clean`, so nothing fails because of it. */
export async function removeManifest(s3: S3Client, url: string): Promise<boolean> {
  const { DeleteObjectCommand } = awsS3();
  try {
    await s3.send(new DeleteObjectCommand(bucketAndKey(url)), { abortSignal: AbortSignal.timeout(10_000) });
    return true;
  } catch {
    return false;
  }
}

function bucketAndKey(url: string): { Bucket: string; Key: string } {
  const at = parseLocation(url);
  if (at.scheme !== 's3') throw new Failure('usage', `${url}: a manifest has to be in S3`);
  return { Bucket: at.bucket, Key: at.key };
}
