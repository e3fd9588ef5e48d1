/**
 * Rows in, Parquet out: one file, or as many as the limits ask for, each the member of a tar. Every file says which
 * positions it covers: the first begins where the stream began, each other where the one before it ended.
 */
import { createHash } from 'node:crypto';
import type { EndRecord, Position } from '../end-record.js';
import { Failure, codeOf } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { objectName } from '../object-name.js';
import { type FileProvenance, PROVENANCE_KEY } from '../provenance.js';
import { parquetSchema, schemaId, type ParquetTarget } from '../column/parquet-schema.js';
import { positionReader } from '../column/position-text.js';
import { Spool } from '../sink/spool.js';
import { comparePositions, samePosition } from '../watermark/position.js';
import { BatchCutter } from './arrow-cut.js';
import { ParquetFile, type ParquetFileOptions, RowCursor } from './parquet-file.js';
import type { RowStream } from './row-stream.js';
import { type TarMember, endMember } from './tar-writer.js';

export interface ParquetStreamOptions extends ParquetFileOptions {
  target: ParquetTarget;
  /** Text columns that are written as bare bytes, for SUPER. */
  documents?: ReadonlySet<string>;
}

/**
 * The bytes of one file that holds every row. Its footer comes only after the stream's end record. A chunk is empty
 * once the next one was asked for.
 */
export async function* oneParquetFile(stream: RowStream, options: ParquetStreamOptions): AsyncGenerator<Uint8Array> {
  const files = new Files(stream, options, true);
  const file = files.begin();
  yield* file.body(files.cursor);
  files.demandEnd(file);
  yield await files.footer(file);
}

/**
 * A tar member for each finished file, then the end record. A stream that fails gives the files finished before, an
 * end record that says `aborted`, and then its error. A file waits in memory up to 4 MiB, beyond that in `tempDir`.
 */
export async function* parquetMembers(
  opening: Promise<RowStream>,
  options: ParquetStreamOptions,
  { tempDir, runId }: { tempDir: string; runId: string },
): AsyncGenerator<TarMember> {
  let files: Files | undefined;
  try {
    files = new Files(await opening, options);
    while (!(await files.cursor.atEnd())) yield* member(files, tempDir);
    files.demandEnd();
    // No row is left to carry the position: a file without rows does, or those taken out would be read again for ever.
    if (files.endsBehindLastFile) yield* member(files, tempDir);
    await failpoint('to-parquet.before-end');
  } catch (error) {
    const code = codeOf(error);
    const end = files?.endRecord(code) ?? { ...NOTHING, run_id: runId, code };
    yield endMember(end, files?.streamRecords() ?? { run_id: runId });
    throw error;
  }
  yield endMember(files.endRecord(0), files.streamRecords());
}

/** What of a file waits in memory; a row group more is there while it is written away. */
const MEMORY_BYTES = 4 << 20;

/** The end of a stream that failed before it said what it is. */
const NOTHING = { status: 'aborted', rows: 0, bytes: 0, table: '', cursor_columns: [], from: null, to: null } as const;

async function* member(files: Files, tempDir: string): AsyncGenerator<TarMember> {
  const spool = new Spool(tempDir, MEMORY_BYTES);
  try {
    const file = files.begin();
    const hash = createHash('sha256');
    const keep = async (chunk: Uint8Array): Promise<void> => {
      hash.update(chunk);
      await spool.write(chunk);
    };
    for await (const chunk of file.body(files.cursor)) await keep(chunk);
    if (files.ended) files.demandEnd(file);
    await keep(await files.footer(file));
    const { name, records } = files.finish(file, hash.digest('hex'));
    yield { name, bytes: spool.bytes, records, body: spool.read() };
  } finally {
    await spool.discard();
  }
}

/** What the files of one stream share, and where the next one begins. */
class Files {
  readonly cursor: RowCursor;
  private readonly cutter: BatchCutter;
  private readonly schemaId: string;
  private from: Position | null;
  private rows = 0;
  private bytes = 0;

  constructor(
    private readonly stream: RowStream,
    private readonly options: ParquetStreamOptions,
    /** There will be one file, without anything around it that says what is true of the whole stream. */
    private readonly alone = false,
  ) {
    const { schema, provenance, batches, release } = stream;
    const tracked = provenance.cursor_columns.length > 0;
    const positionOf = positionReader(schema.fields, provenance.cursor_columns);
    this.cursor = new RowCursor(batches[Symbol.asyncIterator](), release, tracked ? positionOf : () => null);
    this.cutter = new BatchCutter(parquetSchema(schema, options.target, options.documents));
    this.schemaId = schemaId(this.cutter.schema);
    this.from = provenance.from;
  }

  begin(): ParquetFile {
    return new ParquetFile(this.cutter, this.options);
  }

  /** The footer of a file, with the one key of ours. What was taken out of its rows is on the disk before. */
  async footer(file: ParquetFile): Promise<Uint8Array> {
    await this.stream.settle?.();
    return file.end(new Map([[PROVENANCE_KEY, JSON.stringify(this.provenance(file))]]));
  }

  /** Name and pax records of a finished file; the next one begins where it ends. */
  finish(file: ParquetFile, sha256: string): { name: string; records: Record<string, string> } {
    const provenance = this.provenance(file);
    const { from, to, rows } = provenance;
    const name = objectName({ from, to, firstRow: this.rows, rows }, sha256);
    this.rows += rows;
    this.bytes += file.bytes;
    this.from = to;
    const records = {
      rows: String(rows),
      from: JSON.stringify(from),
      to: JSON.stringify(to),
      schema_id: this.schemaId,
      provenance: JSON.stringify(provenance),
      ...this.streamRecords(),
    };
    return { name, records };
  }

  /** What is true of the whole stream and stands in no file, since it differs from run to run. */
  streamRecords(): Record<string, string> {
    const { run_id, read, until } = this.stream.provenance;
    return { run_id, read, ...(until === null ? {} : { until }) };
  }

  endRecord(code: number): EndRecord {
    const { run_id, table, cursor_columns, from } = this.stream.provenance;
    const { until, limited } = this.stream.end ?? {};
    return {
      status: code === 0 ? 'complete' : 'aborted',
      rows: this.rows,
      bytes: this.bytes,
      run_id,
      table,
      cursor_columns,
      from,
      to: this.from,
      code,
      ...(until === undefined ? {} : { until }),
      ...(limited === undefined ? {} : { limited }),
    };
  }

  /** The end record was accepted: no row follows. */
  get ended(): boolean {
    return this.stream.end !== undefined;
  }

  /** The last rows of the stream were taken out after the last file was full. */
  get endsBehindLastFile(): boolean {
    return this.stream.takenOut !== undefined && !samePosition(this.stream.takenOut, this.from);
  }

  /**
   * Refuses to call the files complete before the input did, and when the last row does not stand where the input
   * says. @param file the one that is not finished yet
   */
  demandEnd(file?: ParquetFile): void {
    const { end, provenance } = this.stream;
    if (end === undefined) throw new Failure('internal', 'the rows ended without an end record');
    if (end === null || provenance.cursor_columns.length === 0) return;
    const last = this.lastOf(file);
    if (comparePositions(last, end.to) === 0) return;
    throw new Failure('data', `the last row stands at ${shown(last)}, the end record says ${shown(end.to)}`, {
      hint: 'The stream was altered on its way, or its rows are not in the order of its cursor.',
    });
  }

  /** Where reading stands after `file`. Rows taken out behind the last row of the stream belong to the last file. */
  private lastOf(file?: ParquetFile): Position | null {
    if (this.ended && this.stream.takenOut !== undefined) return this.stream.takenOut;
    return file?.last === undefined ? this.from : file.last;
  }

  private provenance(file: ParquetFile): FileProvenance {
    const { table, read, primary_key, cursor_columns, columns } = this.stream.provenance;
    const { from } = this;
    const to = this.lastOf(file);
    const { rows } = file;
    const own = { v: 1, table, read, primary_key, cursor_columns, from, to, rows, schema_id: this.schemaId } as const;
    return { ...own, columns, ...(this.alone ? this.whole() : {}) };
  }

  /** What no file after this one could say: without its bound a backfill would never end in a cursor. */
  private whole(): Pick<FileProvenance, 'until' | 'limited'> {
    const { end, provenance } = this.stream;
    const { read, until } = provenance;
    return {
      ...(read === 'backfill' && until !== null ? { until } : {}),
      ...(end?.limited === undefined ? {} : { limited: end.limited }),
    };
  }
}

const shown = (position: Position | null): string => (position === null ? 'the start' : position.join(', '));
