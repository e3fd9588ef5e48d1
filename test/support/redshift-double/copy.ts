/** COPY as a whole: access, objects, checks, rows, and the records it leaves (reference/redshift.md 1.8 to 1.11). */
import { type Access, demandAccess } from './authorization.js';
import { type CopySpec, readCopy } from './copy-grammar.js';
import { envelope, ScanError } from './error-envelope.js';
import { checkFile, loadFile, openSource } from './load.js';
import { present, readManifest, type Source } from './manifest.js';
import type { ObjectStore } from './object-store.js';
import { type ParquetFile } from './parquet-file.js';
import { type Executor, type Outcome, type Plan, writeLock } from './plan.js';
import { SqlError } from './sql-error.js';
import { type Column, demandTable, type Table } from './table-columns.js';
import type { Tape } from './tape.js';

export interface CopyWorld {
  store: ObjectStore;
  access: Access;
  clusterRegion: string;
  /** Bucket → region, before the store's own word. */
  bucketRegions: ReadonlyMap<string, string>;
  /** What a prefix without objects is: 0 rows by one field report, or an error. */
  emptyPrefix: 'success' | 'error';
  /** Numbers of queries and copies, one sequence for the whole imagined cluster. */
  nextQuery(): number;
}

/** What pg_last_copy_count() and pg_last_copy_id() answer in one session. */
export class LastCopy {
  count = '0';
  id = -1;
  #idBefore = -1;

  /** Remembers the id to go back to should the transaction be rolled back. */
  began(): void {
    this.#idBefore = this.id;
  }

  rolledBack(): void {
    this.id = this.#idBefore;
  }
}

export class CopyPlans {
  readonly #world: CopyWorld;
  readonly #last: LastCopy;
  readonly #pid: number;

  constructor(world: CopyWorld, last: LastCopy, pid: number) {
    this.#world = world;
    this.#last = last;
    this.#pid = pid;
  }

  plan(tape: Tape): Plan {
    const spec = readCopy(tape);
    return {
      verb: 'copy',
      writes: true,
      run: (executor, values) => {
        if (values.length > 0) throw new SqlError('XX000', 'UNVERIFIED: parameters in COPY');
        return this.#run(executor, spec);
      },
    };
  }

  async #run(executor: Executor, spec: CopySpec): Promise<Outcome> {
    const query = this.#world.nextQuery();
    const table = await demandTable(executor, spec.table);
    const targets = targetColumns(table, spec);
    demandAccess(spec.authorization, this.#world.access);
    await this.#demandRegion(spec.bucket);
    const manifest = spec.manifest ? await this.#manifest(spec, query) : undefined;
    // From here on COPY is loading: the id advances whatever happens, the count falls to 0 on failure (1.11).
    this.#last.id = query;
    this.#last.count = '0';
    try {
      const files = await this.#open(manifest, spec, targets);
      const rows = await executor.atomic(() => load(executor, spec, files, targets));
      await this.#succeeded(executor, spec, query, files, rows);
      this.#last.count = String(rows);
      executor.notice(`Load into table '${spec.table.name}' completed, ${rows} record(s) loaded successfully.`);
      return { tag: 'COPY' };
    } catch (error) {
      if (!(error instanceof ScanError)) throw error;
      await this.#failed(executor, table, spec, query, error);
      throw envelope(error, query, this.#pid);
    }
  }

  async #demandRegion(bucket: string): Promise<void> {
    const { bucketRegions, store, clusterRegion } = this.#world;
    const region = bucketRegions.get(bucket) ?? (await store.region(bucket)) ?? clusterRegion;
    if (region === clusterRegion) return;
    const text =
      'The S3 bucket addressed by the query is in a different region from this cluster.,Status 301,Error PermanentRedirect';
    throw new SqlError('XX000', `S3ServiceException:${text}`);
  }

  async #manifest(spec: CopySpec, query: number): Promise<Buffer> {
    const bytes = await this.#world.store.read(spec.bucket, spec.key);
    if (bytes !== undefined) return bytes;
    const title =
      'Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey';
    throw envelope(new ScanError(15_003, `${title}: s3://${spec.bucket}/${spec.key}`, { title }), query, this.#pid);
  }

  async #open(manifest: Buffer | undefined, spec: CopySpec, targets: readonly Column[]): Promise<ParquetFile[]> {
    const { store } = this.#world;
    let sources: Source[];
    if (manifest === undefined) {
      sources = (await store.list(spec.bucket, spec.key)).map((found) => ({ ...found, contentLength: undefined }));
      if (sources.length === 0 && this.#world.emptyPrefix === 'error') {
        throw new ScanError(15_007, `The specified S3 prefix '${spec.key}' does not exist`);
      }
    } else {
      sources = await present(readManifest(manifest), store);
      for (const bucket of new Set(sources.map((source) => source.bucket))) await this.#demandRegion(bucket);
    }
    const files: ParquetFile[] = [];
    for (const source of sources) {
      const file = await openSource(store, source, this.#url(source));
      checkFile(file, targets, spec);
      files.push(file);
    }
    return files;
  }

  /** Object URLs in error texts are percent-encoded (rule 13). */
  #url(source: Source): string {
    const key = source.key.split('/').map(encodeURIComponent).join('/');
    return `https://s3.${this.#world.clusterRegion}.amazonaws.com/${source.bucket}/${key}`;
  }

  async #succeeded(
    executor: Executor,
    spec: CopySpec,
    query: number,
    files: ParquetFile[],
    rows: number,
  ): Promise<void> {
    for (const file of files) {
      await executor.history('SELECT redshift_double.note_file($1, $2, $3, $4)', [
        query,
        file.path,
        file.rows,
        file.bytes.length,
      ]);
    }
    await this.#history(executor, spec, query, 'completed', rows, '');
  }

  async #failed(executor: Executor, table: Table, spec: CopySpec, query: number, error: ScanError): Promise<void> {
    const { file = '', line = 0, column = '', columnType = '' } = error;
    await executor.history('SELECT redshift_double.note_error($1, $2, $3, $4, $5, $6, $7, $8)', [
      query,
      table.relid,
      file,
      line,
      column,
      columnType,
      error.code,
      error.message,
    ]);
    await this.#history(executor, spec, query, 'failed', 0, error.message);
  }

  async #history(
    executor: Executor,
    spec: CopySpec,
    query: number,
    status: string,
    rows: number,
    words: string,
  ): Promise<void> {
    const source = `s3://${spec.bucket}/${spec.key}`;
    await executor.history('SELECT redshift_double.note_load($1, $2, $3, $4, $5, $6)', [
      query,
      spec.table.name,
      source,
      rows,
      status,
      words,
    ]);
  }
}

async function load(
  executor: Executor,
  spec: CopySpec,
  files: readonly ParquetFile[],
  targets: readonly Column[],
): Promise<number> {
  await writeLock(executor, spec.table.sql);
  let rows = 0;
  for (const file of files) rows += await loadFile(executor, spec.table.sql, file, targets, spec);
  return rows;
}

/** The columns a file's columns go to, in order; errors before any scan (reference/redshift.md 1.2; rules 20, 21). */
function targetColumns(table: Table, spec: CopySpec): Column[] {
  const { name } = spec.table;
  if (table.kind !== 'r') throw new SqlError('42809', `cannot copy to non-table relation "${name}"`);
  const identity = table.columns.find((column) => column.identity === 'a');
  if (spec.explicitIds && identity === undefined)
    throw new SqlError('42601', `EXPLICIT_IDS: table "${name}" has no IDENTITY column`);
  if (spec.columns === undefined) return table.columns.filter((column) => column.identity !== 'a' || spec.explicitIds);
  const listed = spec.columns.map((wanted) => {
    const column = table.columns.find((one) => one.name === wanted);
    if (column === undefined) throw new SqlError('42703', `column "${wanted}" of relation "${name}" does not exist`);
    return column;
  });
  const twice = listed.find((column, i) => listed.indexOf(column) !== i);
  if (twice !== undefined) throw new SqlError('42701', `column "${twice.name}" specified more than once`);
  if (identity !== undefined && listed.includes(identity) !== spec.explicitIds) {
    throw new SqlError(
      '42601',
      `IDENTITY column "${identity.name}" must be in the column list with EXPLICIT_IDS, and only then`,
    );
  }
  for (const column of table.columns) {
    const fed = listed.includes(column) || column.identity !== undefined || column.defaultSql !== undefined;
    if (column.notNull && !fed)
      throw new SqlError('42601', 'NOT NULL column without DEFAULT must be included in column list');
  }
  return listed;
}
