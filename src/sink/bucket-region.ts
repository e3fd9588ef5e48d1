/** COPY of Parquet reads only from buckets of the cluster's own region: found out before anything is started. */
import type { S3Client } from '@aws-sdk/client-s3';
import { awsS3 } from '../aws-s3.js';
import { Failure } from '../errors.js';
import { parseLocation } from '../location.js';
import { s3Failure } from '../s3-failure.js';

/** The region in the name of a Redshift endpoint; undefined for any other host. */
export function regionOfEndpoint(host: string): string | undefined {
  return /\.([a-z]{2}(?:-[a-z]+)+-\d)\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?$/.exec(host)?.[1];
}

/**
 * 78, naming both regions, when a bucket is not where the cluster is. Buckets whose region the store does not tell
 * are let through: the server will say. `known` keeps what was asked, so that each bucket is asked about once.
 */
export async function demandRegion(
  s3: S3Client,
  urls: readonly string[],
  cluster: string | undefined,
  signal: AbortSignal,
  known = new Map<string, string | undefined>(),
): Promise<void> {
  if (cluster === undefined) return;
  for (const bucket of new Set(urls.map(bucketOf))) {
    if (!known.has(bucket)) known.set(bucket, await regionOfBucket(s3, bucket, signal));
    const region = known.get(bucket);
    if (region === undefined || region === cluster) continue;
    throw new Failure('config', `the bucket ${bucket} is in ${region}, the cluster in ${cluster}`, {
      hint: 'COPY of Parquet needs both in one region: replicate the objects, or load from a bucket beside the cluster.',
    });
  }
}

function bucketOf(url: string): string {
  const at = parseLocation(url);
  if (at.scheme === 's3') return at.bucket;
  throw new Failure('config', `${url}: Redshift loads from s3:// only`);
}

async function regionOfBucket(s3: S3Client, bucket: string, signal: AbortSignal): Promise<string | undefined> {
  const { HeadBucketCommand } = awsS3();
  try {
    return (await s3.send(new HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal })).BucketRegion;
  } catch (error) {
    const { $response } = error as { $response?: { headers?: Record<string, string> } };
    const told = $response?.headers?.['x-amz-bucket-region'];
    if (told !== undefined) return told;
    // Whoever may read objects need not be allowed to ask about the bucket.
    const failure = s3Failure(error, 'asking for the region of', `s3://${bucket}`, 's3:ListBucket');
    if (failure.kind === 'denied') return undefined;
    throw failure;
  }
}
