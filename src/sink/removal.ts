/** Removing objects and unfinished uploads. Every removal can be done twice, so one that was killed is simply run again. */
import type { S3Client } from '@aws-sdk/client-s3';
import { rm } from 'node:fs/promises';
import { Failure, fileFailure } from '../errors.js';
import { parseLocation } from '../location.js';
import { retry } from '../retry.js';
import { isAbsent, s3Failure } from '../s3-failure.js';

/** Most objects in one request (S3, DeleteObjects). */
export const REMOVED_AT_ONCE = 1_000;

export interface RemovalAccess {
  s3: () => Promise<S3Client>;
  signal: AbortSignal;
  /** How long one request is tried again, in milliseconds. */
  patienceMs: number;
}

/** Removes at most {@link REMOVED_AT_ONCE} objects of one place; one that is gone already is fine. */
export async function removeObjects(urls: readonly string[], access: RemovalAccess): Promise<void> {
  const places = urls.map(parseLocation);
  for (const place of places) {
    if (place.scheme !== 'file') continue;
    await rm(place.path, { force: true }).catch((error: unknown) => {
      throw fileFailure(error, 'removing', place.path);
    });
  }
  const keys = places.flatMap((place) => (place.scheme === 's3' ? [place] : []));
  const [first] = keys;
  if (!first) return;
  const { DeleteObjectsCommand } = await import('@aws-sdk/client-s3');
  const client = await access.s3();
  const where = `s3://${first.bucket}/`;
  await patiently(access, async () => {
    const Objects = keys.map(({ key: Key }) => ({ Key }));
    const command = new DeleteObjectsCommand({ Bucket: first.bucket, Delete: { Objects, Quiet: true } });
    const answer = await client.send(command, { abortSignal: access.signal }).catch((error: unknown) => {
      throw s3Failure(error, 'removing objects of', where, 's3:DeleteObject');
    });
    // The request as a whole succeeds when single objects do not.
    const [left] = answer.Errors ?? [];
    if (!left) return;
    const kind = left.Code === 'AccessDenied' ? 'denied' : 'temporary';
    const hint = kind === 'denied' ? { hint: `Allow s3:DeleteObject on ${where}${left.Key}.` } : {};
    throw new Failure(kind, `removing ${where}${left.Key}: ${left.Code}`, hint);
  });
}

/** Removes the parts of an upload; one that is gone already is fine. */
export async function abortUpload(url: string, uploadId: string, access: RemovalAccess): Promise<void> {
  const place = parseLocation(url);
  if (place.scheme !== 's3') return;
  const { AbortMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const client = await access.s3();
  await patiently(access, async () => {
    const command = new AbortMultipartUploadCommand({ Bucket: place.bucket, Key: place.key, UploadId: uploadId });
    await client.send(command, { abortSignal: access.signal }).catch((error: unknown) => {
      if (!isAbsent(error)) throw s3Failure(error, 'aborting the upload of', url, 's3:AbortMultipartUpload');
    });
  });
}

function patiently<T>({ signal, patienceMs }: RemovalAccess, operation: () => Promise<T>): Promise<T> {
  const permanent = (error: unknown): boolean => !(error instanceof Failure && error.kind === 'temporary');
  return retry(operation, { budgetMs: patienceMs, signal, permanent });
}
