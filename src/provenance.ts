/**
 * What a stream of rows says about itself: Arrow schema metadata, and (without the run) the one key of a
 * Parquet footer. Later programs need these facts and could not find them out on their own.
 */
import { Failure } from './errors.js';
import { isPosition, type Position } from './end-record.js';

/** The key, in Arrow schema metadata and in Parquet key-value metadata, that holds one JSON value. */
export const PROVENANCE_KEY = 'tablepipe';

/** Field metadata keys set for every column that came from MySQL. */
export const MYSQL_TYPE_KEY = 'mysql_type';
export const MYSQL_CHARSET_KEY = 'mysql_charset';

/**
 * How the rows were read. `incremental`: cursor order from a watermark. `backfill`: primary-key order up
 * to a settled bound, to be followed by incremental runs. `snapshot`: everything, no cursor follows.
 */
export type ReadKind = 'incremental' | 'backfill' | 'snapshot';

export interface Provenance {
  v: 1;
  table: string;
  read: ReadKind;
  primary_key: readonly string[];
  /** The columns `from` and `to` speak of: the cursor for incremental reads, the primary key for backfills. */
  cursor_columns: readonly string[];
  from: Position | null;
  /** Column name to MySQL type, in column order. */
  columns: Readonly<Record<string, string>>;
  run_id: string;
  /** Upper bound of the read, exclusive, as MySQL text. It differs from run to run, so hardly a file says it. */
  until: string | null;
}

/** What a Parquet footer carries: the provenance of the file's own rows, the same for the same rows on any day. */
export interface FileProvenance extends Omit<Provenance, 'run_id' | 'until'> {
  /** Cursor of the last row in the file, inclusive. */
  to: Position | null;
  rows: number;
  schema_id: string;
  /** Upper bound of a backfill that is one file; of several, the tar around them says it. */
  until?: string | null;
  /** A limit ended the read that this one file holds. */
  limited?: true;
}

/** The provenance of a file in its JSON form; undefined when it is not ours. */
export function parseFileProvenance(text: string | undefined): FileProvenance | undefined {
  let value: Partial<FileProvenance> | null;
  try {
    value = JSON.parse(text ?? 'null') as Partial<FileProvenance> | null;
  } catch {
    return undefined;
  }
  const ours =
    value?.v === 1 &&
    typeof value.table === 'string' &&
    Number.isSafeInteger(value.rows) &&
    Array.isArray(value.cursor_columns) &&
    isPosition(value.from) &&
    isPosition(value.to);
  return ours ? (value as FileProvenance) : undefined;
}

/** Parses provenance that came from outside; 65 when it is not ours. */
export function parseProvenance(text: string): Provenance {
  let value: Partial<Provenance>;
  try {
    value = JSON.parse(text) as Partial<Provenance>;
  } catch (cause) {
    throw new Failure('data', 'the stream metadata is not valid JSON', { cause });
  }
  if (value.v !== 1) {
    throw new Failure(
      'config',
      `the stream was written by a newer version (metadata ${String(value.v)}, this reads 1)`,
      {
        hint: 'Upgrade this program.',
      },
    );
  }
  if (typeof value.table !== 'string' || !Array.isArray(value.cursor_columns) || !isPosition(value.from ?? null)) {
    throw new Failure('data', 'the stream metadata does not have the expected fields');
  }
  return value as Provenance;
}
