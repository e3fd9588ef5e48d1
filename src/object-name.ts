/**
 * The name of an object: the positions it covers and the hash of its bytes, so that the same rows get the same
 * name on any day, and other bytes never do. Spelled with letters, digits, `.`, `_`, `-` and `~` only: safe in
 * file systems, URLs, S3 keys and Hive paths. It ends in `.parquet` and in nothing that Redshift would unpack.
 */
import { createHash } from 'node:crypto';
import type { Position } from './end-record.js';

/** Longest spelling of one position; two of them, the hash and a prefix stay far below 255 bytes. */
const POSITION_CHARACTERS = 80;

export interface NamedPart {
  from: Position | null;
  to: Position | null;
  /** Rows before the part in its stream and in the part: they name what no cursor tells apart. */
  firstRow: number;
  rows: number;
}

/** `{from}-{to}-{hash}.parquet`. @param sha256 hex digest of the object's bytes */
export function objectName(part: NamedPart, sha256: string): string {
  return `${span(part)}-${sha256.slice(0, 16)}.parquet`;
}

function span({ from, to, firstRow, rows }: NamedPart): string {
  if (to === null) return `row${counted(firstRow)}-row${counted(firstRow + rows)}`;
  return `${from === null ? 'start' : spelled(from)}-${spelled(to)}`;
}

const counted = (row: number): string => String(row).padStart(12, '0');

/** The values of a position, joined by `_`; a long one keeps its beginning and gets a digest. */
function spelled(position: Position): string {
  const whole = position.map(spelledValue).join('_');
  if (whole.length <= POSITION_CHARACTERS) return whole;
  const digest = createHash('sha256').update(JSON.stringify(position)).digest('hex').slice(0, 12);
  return `${whole.slice(0, POSITION_CHARACTERS - 14).replace(/~.?$/, '')}~~${digest}`;
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(\.\d{1,6})?)?$/;

/** `2024-05-01 12:30:00.250000` as `20240501T123000.250000`; any other character that is not safe as `~` and hex. */
function spelledValue(value: string): string {
  const time = TIME.exec(value);
  if (time) {
    const [, year, month, day, hour, minute, second, fraction = ''] = time;
    return `${year}${month}${day}${hour === undefined ? '' : `T${hour}${minute}${second}${fraction}`}`;
  }
  let out = '';
  for (const byte of Buffer.from(value, 'utf8')) {
    const character = String.fromCharCode(byte);
    out += /[A-Za-z0-9.]/.test(character) ? character : `~${byte.toString(16).padStart(2, '0')}`;
  }
  return out;
}
