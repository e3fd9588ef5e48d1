/**
 * What `mysql-extract` writes: rows in one of its formats, then the end record. When reading fails, the record says
 * aborted and carries our status, so that every program after this one ends with it.
 */
import type { Schema } from 'apache-arrow';
import { type EndRecord, type Position, endLine } from '../end-record.js';
import { codeOf } from '../errors.js';
import { PROVENANCE_KEY, parseProvenance } from '../provenance.js';
import type { RowBatch } from '../source/mysql-rows.js';
import type { Codec } from '../stage.js';
import { endBytes, schemaBytes } from './arrow-bytes.js';
import { ndjsonLines } from './ndjson-lines.js';
import { type SingerStream, singerRecords, singerSchema, singerState } from './singer-lines.js';

/** How a stream begins, carries rows and ends; each part is what goes to stdout. */
export interface RowFormat {
  head(schema: Schema): Iterable<Uint8Array | string>;
  rows(batch: RowBatch): Iterable<Uint8Array | string>;
  end(record: EndRecord): Iterable<Uint8Array | string>;
}

export const arrowFormat: RowFormat = {
  head: (schema) => [schemaBytes(schema)],
  rows: ({ message }) => [message],
  end: (record) => [endBytes(record)],
};

/** @param bare leaves out the end record, for readers that want rows and nothing else */
export function ndjsonFormat(bare: boolean): RowFormat {
  return {
    head: () => [],
    rows: ({ batch }) => ndjsonLines(batch),
    end: (record) => (bare ? [] : [endLine(record)]),
  };
}

/**
 * Singer has no end; its STATE after the last batch says how far a target may skip.
 * @param name of the stream, `schema-table`
 */
export function singerFormat(name: string): RowFormat {
  let stream: SingerStream = { stream: name, primaryKey: [], cursorColumns: [] };
  return {
    head(schema) {
      const { primary_key, cursor_columns } = parseProvenance(schema.metadata.get(PROVENANCE_KEY) ?? '');
      stream = { stream: name, primaryKey: primary_key, cursorColumns: cursor_columns };
      return [singerSchema(stream, schema)];
    },
    *rows({ batch, last }) {
      yield* singerRecords(stream, batch);
      if (last.length > 0) yield singerState(stream, last);
    },
    end: () => [],
  };
}

/** What is known of a stream before its first row. */
export type EndFacts = Omit<EndRecord, 'status' | 'rows' | 'bytes' | 'to' | 'code'>;

/**
 * Writes a stream and then its end record. Memory: one batch, encoded.
 * @param limit most rows the input has; null = no limit
 * @param onEnd called with the record before it is written
 */
export function rowStream(
  format: RowFormat,
  schema: Schema,
  facts: EndFacts,
  limit: number | null,
  onEnd: (record: EndRecord) => Promise<void>,
): Codec<RowBatch, Uint8Array | string> {
  return async function* write(input) {
    let rows = 0;
    let bytes = 0;
    let to: Position | null = facts.from;
    const counted = (part: Uint8Array | string): Uint8Array | string => {
      bytes += typeof part === 'string' ? Buffer.byteLength(part) : part.length;
      return part;
    };
    try {
      for (const part of format.head(schema)) yield counted(part);
      for await (const batch of input) {
        for (const part of format.rows(batch)) yield counted(part);
        rows += batch.rows;
        if (batch.last.length > 0) to = batch.last;
        // Asked for the next batch, so everything of this one has been written.
        batch.release();
      }
    } catch (error) {
      yield* format.end({ ...facts, status: 'aborted', rows, bytes, to, code: codeOf(error) });
      throw error;
    }
    const limited = rows === limit ? ({ limited: true } as const) : {};
    const record: EndRecord = { ...facts, status: 'complete', rows, bytes, to, code: 0, ...limited };
    await onEnd(record);
    yield* format.end(record);
  };
}

/** The whole stream of a program that failed before it had a schema. */
export function abortedStream(format: RowFormat, facts: EndFacts, error: unknown): (Uint8Array | string)[] {
  return [...format.end({ ...facts, status: 'aborted', rows: 0, bytes: 0, to: facts.from, code: codeOf(error) })];
}
