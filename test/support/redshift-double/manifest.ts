/** The manifest of a Parquet COPY (reference/redshift.md 2; rules 6, 8, 9, 10). */
import { ScanError } from './error-envelope.js';
import type { Found, ObjectStore } from './object-store.js';
import { unverified } from './sql-error.js';

export interface Entry {
  bucket: string;
  key: string;
  mandatory: boolean;
  contentLength: number;
}

const MANIFEST = 15_003;

export function readManifest(bytes: Buffer): Entry[] {
  const parsed = json(bytes);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ScanError(MANIFEST, 'Parsed manifest is not a valid JSON object.');
  }
  const { entries } = parsed as { entries?: unknown };
  if (!Array.isArray(entries)) throw new ScanError(MANIFEST, "Manifest does not have an 'entries' array.");
  return entries.map(entry);
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ScanError(MANIFEST, 'Parsed manifest is not a valid JSON object.');
  }
}

function entry(value: unknown): Entry {
  const { url, mandatory, meta } = (value ?? {}) as { url?: unknown; mandatory?: unknown; meta?: unknown };
  if (typeof url !== 'string') throw new ScanError(MANIFEST, "File entry does not have 'url' key.");
  const parts = /^s3:\/\/([^/]+)\/(.*[^/])$/s.exec(url);
  if (parts === null) throw new ScanError(8001, `MANIFEST needs a full object path: ${url}`);
  if (typeof meta !== 'object' || meta === null) throw new ScanError(MANIFEST, "File entry does not have 'meta' key.");
  const { content_length: length } = meta as { content_length?: unknown };
  if (length === undefined) throw new ScanError(MANIFEST, "File entry does not have 'content_length' key in 'meta'.");
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) {
    throw unverified('a content_length that is not a whole number');
  }
  if (mandatory !== undefined && typeof mandatory !== 'boolean')
    throw unverified('a `mandatory` that is not true or false');
  return { bucket: parts[1] as string, key: parts[2] as string, mandatory: mandatory === true, contentLength: length };
}

export interface Source extends Found {
  /** What the manifest says the size is; undefined without a manifest. */
  contentLength: number | undefined;
}

/** The objects to load, in the manifest's order, an object listed twice twice. */
export async function present(entries: readonly Entry[], store: ObjectStore): Promise<Source[]> {
  const found: Source[] = [];
  for (const { bucket, key, mandatory, contentLength } of entries) {
    const head = await store.head(bucket, key);
    if (head !== undefined) found.push({ ...head, contentLength });
    else if (mandatory)
      throw new ScanError(15_007, `File not found: s3://${bucket}/${key}`, {
        title: 'Spectrum Scan Error: File not found',
      });
  }
  if (found.length === 0) throw new ScanError(MANIFEST, 'None of the files in the manifest exists.');
  return found;
}
