/** What an error of the S3 client means for the caller: one table for every program that talks to S3. */
import { Failure, systemCode } from './errors.js';

interface S3Error {
  name?: string;
  /** `clockSkewCorrected`: the answer told the client that its clock is wrong, and the next request is signed with the right one. */
  $metadata?: { httpStatusCode?: number; clockSkewCorrected?: boolean };
  $response?: { headers?: Record<string, string> };
  /** Of the body of an error about regions. */
  Region?: string;
}

/** The HTTP status of an S3 error, or undefined when no answer arrived. */
export function httpStatus(error: unknown): number | undefined {
  return (error as S3Error | undefined)?.$metadata?.httpStatusCode;
}

/** True for the answer "there is no such key". */
export function isAbsent(error: unknown): boolean {
  return httpStatus(error) === 404 && (error as S3Error).name !== 'NoSuchBucket';
}

/** True for the answer "the condition of this write does not hold": someone was first. */
export function isTaken(error: unknown): boolean {
  return httpStatus(error) === 412 || (error as S3Error | undefined)?.name === 'PreconditionFailed';
}

const WITHOUT_ANSWER = /timeout|socket|network|EPIPE|ECONN|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|aborted/i;

const NAMELESS = /^(?:Unknown|UnknownError|BadRequest|400)$/;

const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);

/** What was asked for does not exist on this store or for this account. */
const SETUP =
  /^(?:InvalidStorageClass|InvalidEncryptionAlgorithmError|KMS\..*|InvalidTag|InvalidBucketName|InvalidArgument|InvalidRequest|NotImplemented)$/;

/** True when the store says that what arrived is not what was sent: damaged on the way, worth one more try. */
export function isDamaged(error: unknown): boolean {
  return DAMAGED.has((error as S3Error | undefined)?.name ?? '');
}

const DAMAGED = new Set([
  'BadDigest',
  'InvalidDigest',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
  'IncompleteBody',
  'MalformedXML',
]);

/**
 * Turns an S3 error into a Failure: 77 denied, 78 wrong bucket, region or endpoint, 75 for whatever may pass
 * (throttling, 5xx, 409, no answer), 76 for anything else. A Failure is handed through.
 */
export function s3Failure(error: unknown, doing: string, url: string, action: string): Failure {
  if (error instanceof Failure) return error;
  const status = httpStatus(error);
  const { name = '' } = (error ?? {}) as S3Error;
  const message = `${doing} ${url}`;
  if (name === 'NoSuchBucket') return new Failure('config', `${message}: there is no such bucket`, { cause: error });
  if (name === 'CredentialsProviderError') {
    return new Failure('denied', `${message}: no AWS credentials were found`, {
      cause: error,
      hint: 'Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    });
  }
  // Whatever the store refused, it saw a request of another hour.
  if ((error as S3Error).$metadata?.clockSkewCorrected) {
    return new Failure('temporary', `${message}: the clock of this machine is wrong, the one of the store is used`, {
      cause: error,
    });
  }
  if (EXPIRED.has(name)) {
    const hint = 'Log in again or renew the session, then run the same line.';
    return new Failure('denied', `${message}: the credentials have expired`, { cause: error, hint });
  }
  if (name === 'RequestTimeTooSkewed') {
    const server = (error as S3Error).$response?.headers?.date ?? 'unknown';
    const hint = 'Set the clock of this machine.';
    return new Failure('config', `${message}: the clocks differ (server ${server})`, { cause: error, hint });
  }
  if (SETUP.test(name)) {
    const hint = 'The store does not have the storage class, encryption, key or checksum that was asked for.';
    return new Failure('config', `${message}: ${name}`, { cause: error, hint });
  }
  if (status === 401 || status === 403) {
    const hint = `Allow ${action} on ${url.replace(/^s3:\/\//, 'arn:aws:s3:::')}, or check which credentials are in use.`;
    return new Failure('denied', `${message}: ${name || 'access denied'}`, { cause: error, hint });
  }
  const region = (error as S3Error).$response?.headers?.['x-amz-bucket-region'] ?? (error as S3Error).Region;
  // The answer to a HEAD has no code, only a status.
  const elsewhere = status === 301 || status === 307 || (status === 400 && region !== undefined && NAMELESS.test(name));
  if (elsewhere || name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed') {
    const hint = region ? `Set AWS_REGION=${region}.` : 'Set AWS_REGION to the region of the bucket.';
    const where = region ? `in the region ${region}` : 'in another region';
    return new Failure('config', `${message}: the bucket is ${where}`, { cause: error, hint });
  }
  const endless = systemCode(error) === 'HPE_HEADER_OVERFLOW';
  if (endless)
    return new Failure('protocol', `${message}: an answer with more headers than HTTP has`, { cause: error });
  const passing = status === 408 || status === 409 || status === 429 || (status !== undefined && status >= 500);
  const silent = WITHOUT_ANSWER.test(`${name} ${systemCode(error)} ${(error as Error | undefined)?.message}`);
  if (passing || status === undefined || silent) {
    const what = status === undefined ? 'no answer' : `${name} (${status})`;
    return new Failure('temporary', `${message}: ${what}`, { cause: error });
  }
  return new Failure('protocol', `${message}: unexpected answer ${name} (${status})`, { cause: error });
}
