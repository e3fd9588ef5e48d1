/** The watermark file of the system before this one (reference/original-system.md section 2). */
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { positionOfTimestamp } from './position.js';

export interface OldDocument {
  table_name?: string;
  last_mysql_data_timestamp?: string | null;
}

/** The document in `text`, or undefined when it is something else. */
export function oldDocument(text: string): OldDocument | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    const found = value !== null && typeof value === 'object' && 'last_mysql_data_timestamp' in value;
    return found ? (value as OldDocument) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where reading resumes: at the rows of its last timestamp, that timestamp included. Its id is not used: it was
 * the last one extracted, not the last one in cursor order. Null when it had extracted nothing.
 */
export function positionOfOld(old: OldDocument): Position | null {
  const text = old.last_mysql_data_timestamp;
  if (text === null || text === undefined || text === '') return null;
  const match = /^([0-9-]{10})[T ]([0-9:]{8}(?:\.[0-9]{1,6})?)(?:Z|\+00:00)?$/.exec(text);
  if (!match) throw new Failure('data', `last_mysql_data_timestamp ${JSON.stringify(text)} is not a date and time`);
  return positionOfTimestamp(`${match[1]} ${match[2]}`);
}
