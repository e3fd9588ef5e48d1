/**
 * A chain as one stream of lines and back: every generation's exact bytes, in order, closed by a line that
 * counts and seals them. Memory: one generation when writing; when reading back, the chain.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../errors.js';
import { type Chain, tailOf } from './chain.js';
import { generationName } from './store.js';
import type { Newest } from './tail.js';

export interface BackupLine {
  type: 'generation';
  v: 1;
  table: string;
  generation: number;
  /** The file, to the byte. */
  file?: string;
  /** The same of a damaged file that is not text. */
  base64?: string;
}

export interface BackupEnd {
  type: 'end';
  v: 1;
  table: string;
  generations: number;
  /** SHA-256 over the files, in order. */
  sha256: string;
}

/** The lines of a chain's backup. A damaged generation is in it as it is: what follows it still names it. */
export async function* backupLines(chain: Chain): AsyncGenerator<string> {
  const seal = createHash('sha256');
  let generations = 0;
  for await (const { generation, bytes } of chain.files()) {
    const file = Buffer.from(bytes).toString('utf8');
    const content = Buffer.from(file).equals(bytes) ? { file } : { base64: Buffer.from(bytes).toString('base64') };
    seal.update(bytes);
    generations += 1;
    const line: BackupLine = { type: 'generation', v: 1, table: chain.table, generation, ...content };
    yield `${JSON.stringify(line)}\n`;
  }
  const end: BackupEnd = { type: 'end', v: 1, table: chain.table, generations, sha256: seal.digest('hex') };
  yield `${JSON.stringify(end)}\n`;
}

export interface Backup {
  table: string;
  files: readonly Newest[];
}

/** Checks a whole backup: its seal, and the links between its files. 82 when it was cut, 65 when damaged, 78 when newer. */
export function parseBackup(text: string): Backup {
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map(parsedLine);
  const end = lines.pop();
  if (end?.type !== 'end') throw new Failure('truncated', 'the backup ends before its end line');
  const files = lines.map(fileOf);
  const seal = createHash('sha256');
  for (const { bytes } of files) seal.update(bytes);
  if (files.length !== end.generations || seal.digest('hex') !== end.sha256) {
    throw new Failure('data', 'the backup does not hold what its end line says');
  }
  demandLinks(files, end.table);
  return { table: end.table, files };
}

function fileOf(line: BackupLine | BackupEnd): Newest {
  if (line.type !== 'generation') throw new Failure('data', 'the backup holds a line of an unknown type');
  const { file, base64 = '', generation } = line;
  return { generation, bytes: file === undefined ? Buffer.from(base64, 'base64') : Buffer.from(file) };
}

/** Each readable generation names the file before it, readable or not: a chain that was damaged can be kept too. */
function demandLinks(files: readonly Newest[], table: string): void {
  let before: string | null = null;
  for (const file of files) {
    const { link, sha256 } = tailOf(file, table);
    if (link && before !== null && link.doc.prev_sha256 !== before) {
      throw new Failure('data', `generation ${file.generation} of the backup does not follow the one before it`);
    }
    before = sha256;
  }
}

function parsedLine(line: string): BackupLine | BackupEnd {
  let value: BackupLine | BackupEnd;
  try {
    value = JSON.parse(line) as BackupLine | BackupEnd;
  } catch {
    throw new Failure('data', 'the backup holds a line that is not JSON');
  }
  if (Number(value.v) > 1) {
    throw new Failure('config', `the backup is of version ${value.v}, this program reads version 1`, {
      hint: 'It was written by a newer version: upgrade tablepipe on this machine.',
    });
  }
  return value;
}

/**
 * Puts a backup into a chain that is empty or holds a beginning of it. 80 when the chain holds anything else.
 * Resolves to the number of files created; run again after a kill, it creates the rest.
 */
export async function restoreBackup(chain: Chain, backup: Backup, signal: AbortSignal): Promise<number> {
  const newest = await chain.tail();
  if (newest && newest.generation > (backup.files.at(-1)?.generation ?? 0)) throw other(chain.table);
  let created = 0;
  for (const { generation, bytes } of backup.files) {
    const key = `${chain.folder}/${generationName(generation)}`;
    const packed = await chain.archive.file(generation);
    const { outcome } = packed ? { outcome: 'exists' as const } : await chain.store.create(key, bytes, signal);
    if (outcome === 'created') created += 1;
    else if (!Buffer.from(packed ?? (await chain.store.read(key, signal)) ?? []).equals(bytes))
      throw other(chain.table);
  }
  return created;
}

function other(table: string): Failure {
  return new Failure('conflict', `${table} already has a chain, and it is not this one`, {
    hint: `Compare with \`wm history ${table}\`; \`wm force-reset ${table}\` moves it aside, or import into another --store.`,
  });
}
