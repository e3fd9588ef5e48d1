/**
 * A chain as one stream of lines and back: every generation's exact bytes, in order, closed by a line that
 * counts and seals them. Memory: one generation when writing; when reading back, the chain.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../errors.js';
import type { Chain } from './chain.js';
import { parseGeneration } from './generation.js';
import { generationName } from './store.js';

export interface BackupLine {
  type: 'generation';
  v: 1;
  table: string;
  generation: number;
  /** The file, to the byte. */
  file: string;
}

export interface BackupEnd {
  type: 'end';
  v: 1;
  table: string;
  generations: number;
  /** SHA-256 over the files, in order. */
  sha256: string;
}

/** The lines of a chain's backup. */
export async function* backupLines(chain: Chain): AsyncGenerator<string> {
  const seal = createHash('sha256');
  let generations = 0;
  for await (const { generation, bytes } of chain.files()) {
    const file = Buffer.from(bytes).toString('utf8');
    seal.update(bytes);
    generations += 1;
    yield `${JSON.stringify({ type: 'generation', v: 1, table: chain.table, generation, file } satisfies BackupLine)}\n`;
  }
  const end: BackupEnd = { type: 'end', v: 1, table: chain.table, generations, sha256: seal.digest('hex') };
  yield `${JSON.stringify(end)}\n`;
}

export interface Backup {
  table: string;
  lines: readonly BackupLine[];
}

/** Checks a whole backup: its seal, every file, the links between them. 82 when it was cut, 65 when damaged. */
export function parseBackup(text: string): Backup {
  const values = text
    .split('\n')
    .filter((line) => line !== '')
    .map(parsedLine);
  const end = values.pop();
  if (end?.type !== 'end') throw new Failure('truncated', 'the backup ends before its end line');
  const seal = createHash('sha256');
  let before: string | null = null;
  for (const line of values) {
    if (line.type !== 'generation') throw new Failure('data', 'the backup holds a line of an unknown type');
    const bytes = Buffer.from(line.file);
    const link = parseGeneration(bytes, end.table, line.generation);
    if (before !== null && link.doc.prev_sha256 !== before) {
      throw new Failure('data', `generation ${line.generation} of the backup does not follow the one before it`);
    }
    before = link.sha256;
    seal.update(bytes);
  }
  if (values.length !== end.generations || seal.digest('hex') !== end.sha256) {
    throw new Failure('data', 'the backup does not hold what its end line says');
  }
  return { table: end.table, lines: values as BackupLine[] };
}

function parsedLine(line: string): BackupLine | BackupEnd {
  try {
    return JSON.parse(line) as BackupLine | BackupEnd;
  } catch {
    throw new Failure('data', 'the backup holds a line that is not JSON');
  }
}

/**
 * Puts a backup into a chain that is empty or holds a beginning of it. 80 when the chain holds anything else.
 * Resolves to the number of files created; run again after a kill, it creates the rest.
 */
export async function restoreBackup(chain: Chain, backup: Backup, signal: AbortSignal): Promise<number> {
  const newest = await chain.tail();
  if (newest && newest.generation > (backup.lines.at(-1)?.generation ?? 0)) throw other(chain.table);
  let created = 0;
  for (const { generation, file } of backup.lines) {
    const key = `${chain.folder}/${generationName(generation)}`;
    const bytes = Buffer.from(file);
    const { outcome } = await chain.store.create(key, bytes, signal);
    if (outcome === 'created') created += 1;
    else if (!bytes.equals((await chain.store.read(key, signal)) ?? Buffer.of())) throw other(chain.table);
  }
  return created;
}

function other(table: string): Failure {
  return new Failure('conflict', `${table} already has a chain, and it is not this one`, {
    hint: `Compare with \`wm history ${table}\`; \`wm force-reset ${table}\` moves it aside, or import into another --store.`,
  });
}
