/** Everything below a folder, in byte order of the names, a page at a time. */
import { readdir, stat } from 'node:fs/promises';
import { awsS3 } from '../aws-s3.js';
import { fileFailure, systemCode } from '../errors.js';
import { type Location, parseLocation } from '../location.js';
import { permanent, retry } from '../retry.js';
import { s3Failure } from '../s3-failure.js';
import type { ObjectAccess } from './object.js';

export interface Listed {
  url: string;
  bytes: number;
  /** Milliseconds since 1970, by the store's clock. */
  modified: number;
}

/**
 * Objects directly and deeper below a folder; memory: one page of 1,000, or the names of a directory tree.
 * @param from only those with this URL and after it
 */
export async function* listObjects(folder: string, access: ObjectAccess, from?: string): AsyncGenerator<Listed> {
  const at = parseLocation(folder);
  if (at.scheme === 'file') yield* listFiles(at.path);
  else yield* listKeys(at, access, from === undefined ? undefined : before(from));
}

/** A key that comes before the one of a URL, and as few others as possible in between. */
function before(url: string): string {
  const at = parseLocation(url);
  return at.scheme === 's3' ? at.key.slice(0, -1) : '';
}

async function* listFiles(root: string): AsyncGenerator<Listed> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    throw fileFailure(error, 'listing', root);
  });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll(/\/+/g, '/'))
    .sort(byBytes);
  for (const path of paths) {
    const found = await stat(path).catch((error: unknown) => {
      // Someone else may clean up at the same time.
      if (systemCode(error) === 'ENOENT') return undefined;
      throw fileFailure(error, 'looking at', path);
    });
    if (found) yield { url: `file://${path}`, bytes: found.size, modified: found.mtimeMs };
  }
}

async function* listKeys(
  { bucket, key }: Extract<Location, { scheme: 's3' }>,
  access: ObjectAccess,
  after: string | undefined,
) {
  const { ListObjectsV2Command } = awsS3();
  const client = await access.s3();
  const { signal, patienceMs: budgetMs = 120_000 } = access;
  for (let token: string | undefined, more = true; more; ) {
    const start = after === undefined ? {} : { StartAfter: after };
    const page = { Bucket: bucket, Prefix: key, ...(token === undefined ? start : { ContinuationToken: token }) };
    const ask = async () => {
      try {
        return await client.send(new ListObjectsV2Command(page), { abortSignal: signal });
      } catch (error) {
        throw s3Failure(error, 'listing', `s3://${bucket}/${key}`, 's3:ListBucket');
      }
    };
    const answer = await retry(ask, { budgetMs, signal, permanent });
    for (const { Key = '', Size = 0, LastModified } of answer.Contents ?? []) {
      yield { url: `s3://${bucket}/${Key}`, bytes: Size, modified: LastModified?.getTime() ?? 0 };
    }
    token = answer.NextContinuationToken;
    more = answer.IsTruncated === true && token !== undefined;
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
