/** The watermark store a command line names, opened: for `wm` and for every program that reads or adds to a chain. */
import { hostname } from 'node:os';
import { Failure } from '../errors.js';
import type { Flag } from '../cli/flags.js';
import type { Invocation } from '../cli/command.js';
import { parseDuration } from '../cli/parse.js';
import { connectS3 } from '../connect/s3.js';
import { parseLocation } from '../location.js';
import { type Chain, openChain } from '../watermark/chain.js';
import { type Patience, PatientStore } from '../watermark/patient-store.js';
import type { WatermarkStore } from '../watermark/store.js';

export const STORE_FLAGS: readonly Flag[] = [
  {
    name: 'store',
    value: 'URL',
    env: ['TABLEPIPE_WM_STORE'],
    help: 'where the watermark chains are: s3://bucket/prefix/ or file:///directory/',
  },
  {
    name: 'endpoint-url',
    value: 'URL',
    env: ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    help: 'S3 endpoint, for stores other than AWS',
  },
  {
    name: 'retry-max-time',
    value: 'TIME',
    default: '30s',
    help: 'how long to try again when the store does not answer',
  },
];

/** Opens the store named by `--store` or TABLEPIPE_WM_STORE; 64 without one. Contacts nothing. */
export async function openStore(invocation: Invocation): Promise<WatermarkStore> {
  return new PatientStore(await openImpatientStore(invocation), patience(invocation));
}

/** The same without trying anything again: for seeing what a store does. */
export async function openImpatientStore({ flags, env }: Invocation): Promise<WatermarkStore> {
  const text = flags.text('store');
  if (text === undefined) {
    throw new Failure('usage', 'no watermark store given', {
      hint: 'Add --store s3://bucket/watermarks/ or file:///directory/, or set TABLEPIPE_WM_STORE.',
    });
  }
  const location = parseLocation(text.endsWith('/') ? text : `${text}/`);
  if (location.scheme === 'file') {
    const { FileStore } = await import('../watermark/file-store.js');
    return new FileStore(location.path);
  }
  const { S3Store } = await import('../watermark/s3-store.js');
  const endpoint = flags.text('endpoint-url');
  const client = await connectS3(env, endpoint === undefined ? {} : { endpoint });
  return new S3Store(client, location.bucket, location.key);
}

/** How long `--retry-max-time` lets an operation be tried again; the first time it is said, later ones only with -v. */
function patience({ flags, words }: Invocation): Patience {
  const patienceMs = parseDuration(flags.text('retry-max-time') ?? '30s', '--retry-max-time');
  let told = false;
  return {
    patienceMs,
    onRetry: (error) => {
      if (told) words.detail(`${String(error)}; trying again`);
      else words.note(`${(error as Error).message}; trying again for up to ${Math.ceil(patienceMs / 1000)} s`);
      told = true;
    },
  };
}

/** Opens the chain of a table; `signal` replaces the invocation's own. Contacts nothing. */
export function openTableChain(
  store: WatermarkStore,
  table: string,
  invocation: Invocation,
  signal = invocation.signal,
): Chain {
  return openChain(store, table, { by: writer(invocation), signal });
}

/** Who writes: `program/version@host`. */
export function writer({ agent }: Invocation): string {
  return `${agent}@${hostname()}`;
}
