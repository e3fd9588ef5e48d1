/**
 * `--limit`, again and again, through the chain: a first load in pieces of exactly so many rows that ends in
 * incremental reads, through a tar of files and through single files; and a piece of a snapshot, which is none.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { scratch } from '../plan/scratch.js';
import { jsonLines } from '../support/json-lines.js';
import { type PipelineEnd, pipeline } from '../support/pipeline.js';
import { demandCode, run } from '../support/program.js';
import { servers } from '../support/servers.js';

t.setTimeout(120_000);
const db = await scratch('limited');
const folder = mkdtempSync(join(tmpdir(), 'limited-'));
t.teardown(async () => {
  await db.drop();
  rmSync(folder, { recursive: true });
});
const ROWS = 2_000;
const LIMIT = 1_000;
const env = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, TABLEPIPE_WM_STORE: `file://${folder}/wm/` };

interface Piece {
  ended: PipelineEnd;
  rows: Record<string, unknown>[];
  limited: boolean;
  /** Where the next run begins, as `wm get` prints it. */
  next: unknown;
}

/** One run of the pipeline, and the rows of the objects it committed. */
async function piece(table: string, words: string, toParquet: string): Promise<Piece> {
  const since = `--since "$(wm get ${table} --format cursor)"`;
  const line = `mysql-extract ${table} ${words.replace('SINCE', since)} | ${toParquet} | s3-put file://${folder}/lake/ | wm advance ${table}`;
  const ended = await pipeline(line, { env });
  const receipts = jsonLines<{ url?: string; limited?: true }>(ended.stdout);
  const rows: Record<string, unknown>[] = [];
  const files = receipts.flatMap(({ url }) => (url === undefined ? [] : [fileURLToPath(url)]));
  if (files.length > 0) {
    const text = demandCode(await run('from-parquet', ['--format', 'ndjson', '--bare', ...files])).stdout;
    rows.push(...jsonLines(text));
  }
  const next = demandCode(await run('wm', ['get', table, '--format', 'cursor'], { env })).stdout.toString();
  return { ended, rows, limited: receipts.at(-1)?.limited === true, next: JSON.parse(next) };
}

async function firstLoadInPieces(t: Test, table: string, toParquet: string): Promise<void> {
  const name = `${db.name}.${table}`;
  await db.run(`CREATE TABLE ${table} (id INT PRIMARY KEY, v INT NOT NULL,
    update_at TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (update_at))`);
  await db.run(`INSERT INTO ${table} SELECT seq, 0, '2024-01-01' FROM seq_1_to_${ROWS}`);
  const copy = new Map<unknown, unknown>();
  const take = ({ rows }: Piece): void => rows.forEach((row) => copy.set(row.id, row.v));

  const keys: unknown[] = [];
  for (let run = 1; run <= ROWS / LIMIT; run += 1) {
    const part = await piece(name, `SINCE --order key --limit ${LIMIT}`, toParquet);
    t.equal(part.ended.code, 0, part.ended.stderr);
    t.match(part, { limited: true, next: { backfill: [String(run * LIMIT)] } });
    t.equal(part.rows.length, LIMIT);
    keys.push(...part.rows.map((row) => row.id));
    take(part);
    // Changed between the runs: a row that was read, and a new one that belongs behind the last.
    await db.run(`UPDATE ${table} SET v = ${run} WHERE id = ${run}`);
    if (run === 1) await db.run(`INSERT INTO ${table} (id, v) VALUES (${ROWS + 1}, 7)`);
  }
  t.same(
    keys,
    Array.from({ length: ROWS }, (_, index) => index + 1),
    'the pieces are the table, in the order of its key',
  );
  const last = await piece(name, `SINCE --limit ${LIMIT}`, toParquet);
  t.equal(last.ended.code, 0, last.ended.stderr);
  t.match([last.rows.length, last.limited], [0, false], 'nothing is left, and the first load is complete');
  t.ok(Array.isArray(last.next), `reading goes on by ${JSON.stringify(last.next)}`);
  if (table === 'single') return;
  for (let more = true; more; ) {
    const part = await piece(name, 'SINCE --lag 0 --limit 3', toParquet);
    t.equal(part.ended.code, 0, part.ended.stderr);
    take(part);
    more = part.limited || copy.get(ROWS + 1) === undefined;
  }
  const source = await db.run(`SELECT id, v FROM ${table}`);
  t.same(new Map(source.map((row) => [row.id, row.v])), copy, 'then what changed meanwhile');
}

t.test('a first load in pieces, in a tar of files', (t) => firstLoadInPieces(t, 'tar', 'to-parquet --split-rows 600'));
t.test('a first load in pieces, in a single file each', (t) => firstLoadInPieces(t, 'single', 'to-parquet'));

t.test('an empty table, in single files: nothing moves but the bound', async (t) => {
  await db.run('CREATE TABLE empty LIKE tar');
  for (const next of [/^\["20/, /^\["20/]) {
    const part = await piece(`${db.name}.empty`, 'SINCE', 'to-parquet');
    t.equal(part.ended.code, 0, part.ended.stderr);
    t.match(JSON.stringify(part.next), next);
  }
});

t.test('a piece of a snapshot is none: it is not committed, and replaces nothing', async (t) => {
  for (const toParquet of ['to-parquet', 'to-parquet --split-rows 2']) {
    const part = await piece(`${db.name}.tar`, '--cursor none --limit 5', toParquet);
    t.same(part.ended.stages, [0, 0, 0, 65], part.ended.stderr);
    t.match(part.ended.stderr, /--limit ended the read of .*tar, so it is no snapshot/);
  }
});
