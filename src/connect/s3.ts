/** The S3 client: the usual AWS credential chain, an optional endpoint, and no retries of its own. */
import type { S3Client } from '@aws-sdk/client-s3';
import { awsS3 } from '../aws-s3.js';
import type { Env } from '../cli/flags.js';
import { Failure } from '../errors.js';
import { boundAnswers } from './bounded-answer.js';

export interface S3Settings {
  /** `--endpoint-url`, else AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. */
  endpoint?: string;
  region?: string;
  /** Bucket in the path instead of the host name; the default with an endpoint of one's own. */
  pathStyle?: boolean;
  /** `required` leaves out the newer default checksums, which some stores refuse. */
  checksums?: 'supported' | 'required';
  /** Milliseconds without a byte in either direction on one connection; default 60,000. */
  idleMs?: number;
}

/**
 * Makes a client. `maxAttempts` is 1: a retry inside the SDK can turn a conditional write that succeeded
 * into a 412 (reference/reliability.md section 0, item 3), so retrying is the caller's, with its own budget.
 */
export async function connectS3(env: Env, settings: S3Settings = {}): Promise<S3Client> {
  const { S3Client: Client } = awsS3();
  const endpoint = settings.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  if (endpoint !== undefined && !/^https?:\/\/[^\s/]+/.test(endpoint)) {
    throw new Failure('config', `S3 endpoint ${endpoint}: expected http:// or https://`);
  }
  const when = settings.checksums === 'required' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  silenceVersionWarning();
  const client = new Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    region: settings.region ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1',
    forcePathStyle: settings.pathStyle ?? endpoint !== undefined,
    maxAttempts: 1,
    requestChecksumCalculation: when,
    responseChecksumValidation: when,
    requestHandler: requestHandler(settings.idleMs),
  });
  boundAnswers(client);
  return client;
}

/**
 * How long a client of AWS waits. `socketTimeout` ends a request on a silent connection. `requestTimeout` would only
 * write a warning to the console, and as an error it would cut a large part on a slow line that makes progress.
 */
export function requestHandler(idleMs = 60_000): {
  socketTimeout: number;
  connectionTimeout: number;
  logger: typeof SILENT;
} {
  return { socketTimeout: idleMs, connectionTimeout: 10_000, logger: SILENT };
}

const nothing = (): void => {};

/** The request handler writes its remarks to the console unless it is given a logger. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The SDK prints a notice about coming Node versions on stderr; our stderr is for words about the user's data. */
export function silenceVersionWarning(): void {
  const original = process.emitWarning.bind(process);
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]) => {
    if (/AWS SDK for JavaScript/.test(String(warning))) return;
    (original as (...all: unknown[]) => void)(warning, ...rest);
  }) as typeof process.emitWarning;
}
