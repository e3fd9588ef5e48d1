/** Uploads that were begun and neither completed nor aborted: invisible, and paid for. */
import { awsS3 } from '../aws-s3.js';
import { parseLocation } from '../location.js';
import { permanent, retry } from '../retry.js';
import { s3Failure } from '../s3-failure.js';
import type { ObjectAccess } from './object.js';

export interface UnfinishedUpload {
  url: string;
  uploadId: string;
  /** Milliseconds since 1970, by the store's clock. */
  begun: number;
}

/** Unfinished uploads below a folder of S3; memory: one page of 1,000. */
export async function* listUploads(folder: string, access: ObjectAccess): AsyncGenerator<UnfinishedUpload> {
  const at = parseLocation(folder);
  if (at.scheme === 'file') return;
  const { ListMultipartUploadsCommand } = awsS3();
  const client = await access.s3();
  const { signal, patienceMs: budgetMs = 120_000 } = access;
  let marker: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (let more = true; more; ) {
    const ask = async () => {
      try {
        const command = new ListMultipartUploadsCommand({ Bucket: at.bucket, Prefix: at.key, ...marker });
        return await client.send(command, { abortSignal: signal });
      } catch (error) {
        throw s3Failure(error, 'listing the uploads below', folder, 's3:ListBucketMultipartUploads');
      }
    };
    const answer = await retry(ask, { budgetMs, signal, permanent });
    for (const { Key = '', UploadId = '', Initiated } of answer.Uploads ?? []) {
      yield { url: `s3://${at.bucket}/${Key}`, uploadId: UploadId, begun: Initiated?.getTime() ?? 0 };
    }
    const { NextKeyMarker: key, NextUploadIdMarker: id } = answer;
    marker = { ...(key ? { KeyMarker: key } : {}), ...(id ? { UploadIdMarker: id } : {}) };
    more = answer.IsTruncated === true && key !== undefined;
  }
}
