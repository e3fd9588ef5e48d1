/** Removing objects and unfinished uploads. Every removal can be done twice, so one that was killed is simply run again. */
import type { S3Client } from '@aws-sdk/client-s3';
import { rm } from 'node:fs/promises';
import { awsS3 } from '../aws-s3.js';
import { Failure, fileFailure } from '../errors.js';
import { parseLocation } from '../location.js';
import { permanent, retry } from '../retry.js';
import { httpStatus, isAbsent, s3Failure } from '../s3-failure.js';
import { REMOVAL_MS } from './renewal.js';

/** Most objects in one request (S3, DeleteObjects). */
export const REMOVED_AT_ONCE = 1_000;

export interface RemovalAccess {
  s3: () => Promise<S3Client>;
  signal: AbortSignal;
  /** How long one request is tried again, in milliseconds. */
  patienceMs: number;
}

/** An object as it was seen. */
export interface Seen {
  url: string;
  /** When it was last written: milliseconds since 1970, by the store's clock. */
  modified: number;
}

/** Stores that refused a removal with a condition. */
const unconditional = new WeakSet<S3Client>();

/**
 * Removes objects of one place, at most {@link REMOVED_AT_ONCE}, if nobody has written them since they were seen; one
 * that is gone already is fine. Resolves to the URLs of those that were written since, and stay.
 *
 * `look` sees some of them anew. It is asked right before every attempt, and an attempt has {@link REMOVAL_MS} from
 * then on: renewal.ts says why. One that takes longer is made again with half as many objects.
 */
export async function removeObjects(
  seen: readonly Seen[],
  look: (some: readonly Seen[], signal: AbortSignal) => Promise<ReadonlyMap<string, number>>,
  access: RemovalAccess,
): Promise<ReadonlySet<string>> {
  const kept = new Set<string>();
  let most = seen.length;
  for (let at = 0; at < seen.length; ) {
    await patiently(access, async () => {
      const some = seen.slice(at, at + most);
      const late = AbortSignal.timeout(REMOVAL_MS);
      const signal = AbortSignal.any([access.signal, late]);
      try {
        const there = await look(some, signal);
        const same = some.filter(({ url, modified }) => there.get(url) === modified);
        for (const { url, modified } of some) if ((there.get(url) ?? modified) !== modified) kept.add(url);
        for (const url of await removed(same, { ...access, signal })) kept.add(url);
        at += some.length;
      } catch (cause) {
        if (!late.aborted || access.signal.aborted) throw cause;
        most = Math.ceil(most / 2);
        throw new Failure('temporary', `removing ${some.length} objects took too long`, { cause });
      }
    });
  }
  return kept;
}

/** One request; resolves to the URLs of objects that were written since they were seen. */
async function removed(seen: readonly Seen[], access: RemovalAccess): Promise<string[]> {
  const places = seen.map(({ url, modified }) => ({ at: parseLocation(url), modified }));
  const keys = places.flatMap(({ at, modified }) => (at.scheme === 's3' ? [{ ...at, modified }] : []));
  for (const { at } of places) if (at.scheme === 'file') await removeFile(at.path);
  const [first] = keys;
  if (!first) return [];
  const { DeleteObjectsCommand } = awsS3();
  const client = await access.s3();
  const where = `s3://${first.bucket}/`;
  const Objects = keys.map(({ key: Key, modified }) =>
    unconditional.has(client) ? { Key } : { Key, LastModifiedTime: new Date(modified) },
  );
  const command = new DeleteObjectsCommand({ Bucket: first.bucket, Delete: { Objects, Quiet: true } });
  try {
    const { Errors = [] } = await client.send(command, { abortSignal: access.signal });
    // The request as a whole succeeds when single objects do not.
    const left = Errors.find(({ Code = '' }) => Code !== 'PreconditionFailed' && !GONE.has(Code));
    if (left) throw refusal(left, where);
    return Errors.flatMap(({ Key, Code }) => (Code === 'PreconditionFailed' ? [`${where}${Key}`] : []));
  } catch (error) {
    if (!unknownCondition(error) || unconditional.has(client)) {
      throw s3Failure(error, 'removing objects of', where, 's3:DeleteObject');
    }
    unconditional.add(client);
    return removed(seen, access);
  }
}

const GONE = new Set(['NoSuchKey', 'NoSuchVersion']);

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch((error: unknown) => {
    throw fileFailure(error, 'removing', path);
  });
}

function refusal(
  { Key = '', Code = '' }: { Key?: string | undefined; Code?: string | undefined },
  where: string,
): Error {
  if (Code === 'NotImplemented') return Object.assign(new Error(Code), { name: Code });
  const kind = Code === 'AccessDenied' ? 'denied' : 'temporary';
  const hint = kind === 'denied' ? { hint: `Allow s3:DeleteObject on ${where}${Key}.` } : {};
  return new Failure(kind, `removing ${where}${Key}: ${Code}`, hint);
}

/** AWS documents the condition for directory buckets only; others may not have heard of the element at all. */
function unknownCondition(error: unknown): boolean {
  return (
    httpStatus(error) === 501 || ['NotImplemented', 'MalformedXML', 'InvalidArgument'].includes((error as Error).name)
  );
}

/** Removes the parts of an upload; one that is gone already is fine. */
export async function abortUpload(url: string, uploadId: string, access: RemovalAccess): Promise<void> {
  const place = parseLocation(url);
  if (place.scheme !== 's3') return;
  const { AbortMultipartUploadCommand } = awsS3();
  const client = await access.s3();
  await patiently(access, async () => {
    const command = new AbortMultipartUploadCommand({ Bucket: place.bucket, Key: place.key, UploadId: uploadId });
    await client.send(command, { abortSignal: access.signal }).catch((error: unknown) => {
      if (!isAbsent(error)) throw s3Failure(error, 'aborting the upload of', url, 's3:AbortMultipartUpload');
    });
  });
}

function patiently<T>({ signal, patienceMs }: RemovalAccess, operation: () => Promise<T>): Promise<T> {
  return retry(operation, { budgetMs: patienceMs, signal, permanent });
}
