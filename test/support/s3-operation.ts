/** Which operation of S3 a request is: told by its method and its query, as the API reference of S3 lists them. */
import type { IncomingMessage } from 'node:http';

/** What our programs ask of a store while they write and read objects. */
export const OPERATIONS = ['put', 'create', 'part', 'complete', 'abort', 'head', 'get', 'list'] as const;
export type Operation = (typeof OPERATIONS)[number] | 'delete' | 'uploads' | 'other';

export function operationOf({ method = 'GET', url = '/' }: IncomingMessage): Operation {
  const { pathname, searchParams: query } = new URL(url, 'http://s3');
  const key = /^\/[^/]+\/./.test(pathname);
  if (method === 'PUT' && key) return query.has('partNumber') ? 'part' : 'put';
  if (method === 'POST' && query.has('uploads')) return 'create';
  if (method === 'POST' && query.has('uploadId')) return 'complete';
  if (method === 'POST' && query.has('delete')) return 'delete';
  if (method === 'DELETE' && query.has('uploadId')) return 'abort';
  if (method === 'DELETE' && key) return 'delete';
  if (method === 'HEAD' && key) return 'head';
  if (method === 'GET' && key && !query.has('uploadId')) return 'get';
  if (method === 'GET' && query.has('uploads')) return 'uploads';
  return method === 'GET' && query.has('list-type') ? 'list' : 'other';
}
