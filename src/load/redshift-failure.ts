/**
 * What an error of Redshift means, beyond what it shares with PostgreSQL. A failed COPY says little by itself: its
 * detail is cut at 256 characters (reference/redshift.md 1.8), so the server's own records are asked, and the files.
 */
import { Failure, type Kind } from '../errors.js';
import type { Receipt } from '../receipt.js';
import { type ServerError, sqlState, warehouseFailure } from '../warehouse-failure.js';
import { firstBadRow } from './bad-row.js';
import { type Searched, rowName } from './found-row.js';
import type { Session } from './warehouse.js';

/** The message of a serialization failure is its bare number; a table newer than the snapshot is 1018. */
const SERIALIZATION = /^(?:1023|1018)\b|Serializable isolation violation|concurrent transaction/i;

/** True for an error after which the whole transaction can be run again. */
export function isSerialization(error: unknown): boolean {
  const state = sqlState(error);
  if (state === '40001' || state === '40P01') return true;
  const { message = '', detail = '' } = (error ?? {}) as Partial<ServerError>;
  return state === 'XX000' && (SERIALIZATION.test(message) || SERIALIZATION.test(detail));
}

interface Meaning {
  pattern: RegExp;
  /** Replaces words of the server that may quote a value; undefined = they quote none. */
  says?: string;
  kind: Kind;
  hint: string;
}

/** Redshift's words, which come with the SQLSTATE of an internal error, and what to do about them. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /UnauthorizedException|not authorized to assume/i,
    kind: 'denied',
    hint: 'Attach the role to the cluster or namespace, and allow redshift.amazonaws.com to assume it.',
  },
  {
    pattern: /S3ServiceException:.*(?:301|PermanentRedirect|different region)/is,
    kind: 'config',
    hint: 'COPY of Parquet needs the bucket in the region of the cluster.',
  },
  {
    pattern: /S3ServiceException/i,
    kind: 'denied',
    hint: 'The role needs s3:GetObject and s3:ListBucket on data and manifests, and kms:Decrypt for encrypted ones.',
  },
  {
    pattern: /length of the data column|String length exceeds/i,
    kind: 'data',
    hint: 'Widen the column, or add --evolve add.',
  },
  {
    pattern: /Cannot insert a NULL value/i,
    kind: 'data',
    hint: 'The column is NOT NULL: load into a table without that.',
  },
  {
    pattern: /Unmatched number of columns|incompatible Parquet schema|invalid type length|scale that does not match/i,
    kind: 'data',
    hint: 'Compare with rs-copy --check; files are written for Redshift by to-parquet --target redshift.',
  },
  {
    pattern: /File not found|InvalidRange|invalid version number|corrupt/i,
    kind: 'data',
    hint: 'The object was removed or overwritten after its receipt was written: extract that range again.',
  },
  {
    pattern: /Numeric data overflow|out of range|outside the range/i,
    kind: 'data',
    hint: 'Use a wider type for the column.',
  },
  {
    pattern: /size of 65535 bytes/i,
    kind: 'data',
    hint: 'Load the column as text with --cast COLUMN=VARCHAR(65535).',
  },
  {
    pattern: /JSON_PARSE\(\) error/i,
    says: 'JSON_PARSE() error: a document is not what SUPER takes',
    kind: 'data',
    hint: 'Load the column as text with --cast COLUMN=VARCHAR(65535).',
  },
  {
    pattern: /Invalid (?:digit|date|timestamp|exponent)|Value '/i,
    says: 'a text does not have the form its column needs',
    kind: 'data',
    hint: 'Give the column the type of the files, or clean the text at its source.',
  },
  { pattern: /UTF-8|invalid ASCII/i, kind: 'data', hint: 'Extract the column as bytes, or clean it at the source.' },
  {
    pattern: /Retries exceeded|throttled|Resource limit|Connection failed/i,
    kind: 'temporary',
    hint: 'Smaller files (64 MB to 1 GB) help.',
  },
];

/** Turns an error into a Failure. Words of the server that may quote a value are shown only when values may be. */
export function redshiftFailure(error: unknown, doing: string, showValues = false): Failure {
  if (error instanceof Failure) return error;
  if (sqlState(error) === '57014') {
    const hint = 'Another loader holds the ledger for longer than --lock-timeout, or the statement was cancelled.';
    return new Failure('temporary', `${doing}: the statement was cancelled`, { cause: error, hint });
  }
  if (sqlState(error) !== 'XX000') return warehouseFailure(error, doing, showValues);
  const { message, detail = '' } = error as ServerError;
  if (isSerialization(error)) {
    return new Failure('temporary', `${doing}: another transaction changed the same tables [1023]`, { cause: error });
  }
  return worded(message, contextOf(detail), doing, showValues);
}

function worded(message: string, context: string, doing: string, showValues: boolean): Failure {
  const said = context === '' || message.includes(context) ? message : `${message}: ${context}`;
  const meaning = MEANINGS.find(({ pattern }) => pattern.test(`${message}\n${context}`));
  const { kind = 'protocol', hint } = meaning ?? {};
  const hidden = meaning ? meaning.says : said.replaceAll(QUOTED, "'…'");
  const shown = showValues || hidden === undefined ? said : hidden;
  const more = shown === said ? '' : 'Add --show-values to see the words of the server.';
  const cure = [hint, more].filter(Boolean).join(' ');
  return new Failure(kind, `${doing}: ${shown} [SQLSTATE XX000]`, cure === '' ? {} : { hint: cure });
}

/** What stands in quotes in words nobody has recorded, except for a file. */
const QUOTED = /'(?!https?:|s3:)[^']*'/g;

/** The line `context:` of the detail block, as far as it was not cut. */
function contextOf(detail: string): string {
  return (/context: +([^]*?)\n +query:/.exec(detail)?.[1] ?? '').trim().replaceAll(/\s+/g, ' ');
}

export interface FailedLoad extends Searched {
  connect: () => Promise<Session>;
  showValues: boolean;
}

interface ErrorRecord {
  file_name: string;
  line_number: string | null;
  column_name: string;
  error_code: string;
  error_message: string;
}

/**
 * The error of a COPY with what the server recorded about it and the key of the first row at fault. Anything but a
 * failed scan is given back as it is.
 */
export async function loadFailure(error: unknown, load: FailedLoad): Promise<unknown> {
  const { detail = '', message = '' } = (error ?? {}) as Partial<ServerError>;
  const query = /\n +query: +(\d+)/.exec(detail)?.[1];
  if (sqlState(error) !== 'XX000' || query === undefined || isSerialization(error)) return error;
  const record = await recordOf(query, load);
  const text = record?.error_message.trim() || contextOf(detail) || message;
  const url = urlOf(record?.file_name ?? '', load.receipts);
  const line = Number(record?.line_number ?? 0);
  const column = record?.column_name.trim() ?? '';
  const row = await firstBadRow({ text, column, line }, url, load).catch(() => undefined);
  const where = row === undefined ? url : rowName(row);
  const doing = `COPY of ${where ?? `${load.receipts.length} files`}`;
  return worded(message, text.replaceAll(/\s+/g, ' '), doing, load.showValues);
}

/** The error of bringing staged rows into the table, with the first row at fault where its words tell which those are. */
export async function mergeFailure(error: unknown, load: FailedLoad): Promise<unknown> {
  if (sqlState(error) !== 'XX000' || isSerialization(error)) return error;
  const { message } = error as ServerError;
  const row = await firstBadRow({ text: message, column: '', line: 0 }, undefined, load).catch(() => undefined);
  return row ? worded(message, '', `loading ${rowName(row)}`, load.showValues) : error;
}

/** Asked on a connection of its own: the transaction has failed. SYS_* first, STL_* where it is a cluster of old. */
async function recordOf(query: string, { connect }: FailedLoad): Promise<ErrorRecord | undefined> {
  const asks = [
    `SELECT file_name, line_number, column_name, error_code, error_message FROM sys_load_error_detail WHERE query_id = ${query} ORDER BY start_time LIMIT 1`,
    `SELECT trim(filename) AS file_name, line_number, trim(colname) AS column_name, err_code AS error_code, trim(err_reason) AS error_message FROM stl_load_errors WHERE query = ${query} ORDER BY starttime LIMIT 1`,
  ];
  const session = await connect().catch(() => undefined);
  if (session === undefined) return undefined;
  try {
    for (const sql of asks) {
      const [record] = await session.read<ErrorRecord>(sql).catch(() => []);
      if (record) return record;
    }
    return undefined;
  } finally {
    await session.end();
  }
}

/** The receipt's URL for a file as the server names it: percent-encoded, through https, or plain. */
function urlOf(name: string, receipts: readonly Receipt[]): string | undefined {
  if (receipts.length === 1) return receipts[0]?.url;
  const plain = decoded(name.trim());
  return receipts.find(({ url }) => plain !== '' && plain.endsWith(url.replace(/^s3:\/\/[^/]+/, '')))?.url;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
