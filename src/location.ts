/** Where objects live: `s3://bucket/prefix/` or `file:///directory/`, checked before anything is contacted. */
import { Failure } from './errors.js';

export type Location = { scheme: 's3'; bucket: string; key: string } | { scheme: 'file'; path: string };

/** Longest S3 key, in bytes (S3 user guide, object keys). */
const KEY_BYTES = 1024;

/**
 * Parses a location. Throws 64 for another scheme, a relative file path, a host in a file URL, `.` or
 * `..` segments, control characters, or a key longer than 1,024 bytes.
 */
export function parseLocation(text: string): Location {
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new Failure('usage', 'a location holds a control character');
  if (text.startsWith('s3://')) return s3Location(text);
  if (text.startsWith('file://')) return fileLocation(text);
  throw new Failure('usage', `${text}: expected s3://bucket/prefix/ or file:///directory/`);
}

function s3Location(text: string): Location {
  const [, bucket, key = ''] = /^s3:\/\/([^/]*)(?:\/(.*))?$/.exec(text) ?? [];
  if (!bucket || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new Failure('usage', `${text}: not a bucket name`, {
      hint: 'Bucket names are 3-63 lower-case letters, digits, dots and hyphens.',
    });
  }
  refuseSegments(text, key);
  if (Buffer.byteLength(key) > KEY_BYTES)
    throw new Failure('usage', `${text}: the key is longer than ${KEY_BYTES} bytes`);
  return { scheme: 's3', bucket, key };
}

function fileLocation(text: string): Location {
  const path = text.slice('file://'.length);
  if (!path.startsWith('/')) {
    throw new Failure('usage', `${text}: a file location is absolute and has no host`, {
      hint: 'Write file:///absolute/path/.',
    });
  }
  refuseSegments(text, path.slice(1));
  return { scheme: 'file', path };
}

function refuseSegments(text: string, key: string): void {
  if (key.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw new Failure('usage', `${text}: '.' and '..' are not allowed in a location`);
  }
}

/** The location as text again. */
export function locationText(location: Location): string {
  return location.scheme === 's3' ? `s3://${location.bucket}/${location.key}` : `file://${location.path}`;
}

/** True when the location names a folder (ends in `/`, or is a bare bucket). */
export function isFolder(location: Location): boolean {
  return location.scheme === 's3' ? location.key === '' || location.key.endsWith('/') : location.path.endsWith('/');
}

/** A name below a folder; the name must not leave it. */
export function below(folder: Location, name: string): Location {
  const text = locationText(folder);
  return parseLocation(`${text}${text.endsWith('/') ? '' : '/'}${name}`);
}
