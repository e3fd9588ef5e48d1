/**
 * One link of a table's chain: a small immutable JSON file. Its last field is the SHA-256 of every byte before
 * that field, so a file that was cut or changed anywhere refuses itself; `prev_sha256` is the SHA-256 of the
 * whole file before it, so no link can be exchanged either.
 */
import { createHash, randomBytes } from 'node:crypto';
import { isPosition, type Position } from '../end-record.js';
import { Failure } from '../errors.js';
import type { ReadKind } from '../provenance.js';
import type { Receipt } from '../receipt.js';
import type { State } from './state.js';

export const FORMAT = 'tablepipe.watermark/1';

export type GenerationKind =
  | 'stored'
  | 'loaded'
  | 'set'
  | 'reset'
  | 'force-reset'
  | 'restored'
  | 'imported'
  | 'rebuilt';

export interface Generation {
  format: typeof FORMAT;
  table: string;
  /** Random, made with generation 1 and by every force-reset. */
  chain: string;
  generation: number;
  /** SHA-256 of the file before, readable or not; null for generation 1. */
  prev_sha256: string | null;
  /** Random, one per attempt to commit: how a writer recognises its own write after a lost answer. */
  write_id: string;
  kind: GenerationKind;
  run_id: string;
  read: ReadKind | null;
  cursor_columns: readonly string[];
  from: Position | null;
  to: Position | null;
  /** What a `stored` generation added, in the order of the data. */
  receipts: readonly Receipt[];
  /** The generation a `loaded`, `restored` one speaks of. */
  about: number | null;
  /** Why a person did it. */
  reason: string | null;
  state: State;
  /** The store's clock where it has one, else this machine's; for people, never for order. */
  written_at: string;
  /** `program/version@host`. */
  written_by: string;
}

/** A generation as it lies in the store. */
export interface Link {
  doc: Generation;
  /** SHA-256 of its file. */
  sha256: string;
}

/** 128 random bits in hex. */
export function randomId(): string {
  return randomBytes(16).toString('hex');
}

/** SHA-256 in hex. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const SEAL = /,\n {2}"sha256": "([0-9a-f]{64})"\n\}\n$/;

/** The file of a generation. */
export function generationBytes(doc: Generation): Buffer {
  const body = JSON.stringify(doc, null, 2).slice(0, -2);
  return Buffer.from(`${body},\n  "sha256": "${sha256(body)}"\n}\n`);
}

/**
 * Reads the file of a generation. Throws 78 for a newer format and 65 for anything cut, changed, of another
 * table or of another number.
 */
export function parseGeneration(bytes: Uint8Array, table: string, generation: number): Link {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const value = jsonObject(text);
  const version = /^tablepipe\.watermark\/([0-9]+)$/.exec(String(value?.format))?.[1];
  if (version !== undefined && Number(version) > 1) {
    throw new Failure('config', `its format is ${String(value?.format)}, this program reads up to ${FORMAT}`, {
      hint: 'It was written by a newer version: upgrade tablepipe on this machine.',
    });
  }
  const seal = SEAL.exec(text);
  if (!value || !seal)
    throw new Failure('data', value ? 'it is not sealed by its checksum' : 'it is not complete JSON');
  // Bytes that are not UTF-8 decode to other text, so the decoded text is compared with the bytes too.
  if (sha256(text.slice(0, seal.index)) !== seal[1] || Buffer.byteLength(text) !== bytes.byteLength) {
    throw new Failure('data', 'its checksum does not match its content');
  }
  const doc = value as unknown as Generation;
  if (doc.format !== FORMAT || !wellFormed(doc)) throw new Failure('data', 'it does not have the expected fields');
  if (doc.table !== table) throw new Failure('data', `it belongs to the table ${doc.table}`);
  if (doc.generation !== generation) throw new Failure('data', `it says it is generation ${doc.generation}`);
  return { doc, sha256: sha256(bytes) };
}

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function wellFormed(doc: Partial<Generation>): boolean {
  return (
    typeof doc.table === 'string' &&
    typeof doc.write_id === 'string' &&
    Number.isSafeInteger(doc.generation) &&
    Array.isArray(doc.receipts) &&
    isPosition(doc.from) &&
    isPosition(doc.to) &&
    typeof doc.state === 'object' &&
    isPosition(doc.state.cursor)
  );
}
