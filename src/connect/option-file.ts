/** MySQL option files: `~/.my.cnf` and what `--defaults-file` names, the groups every client program reads. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure, fileFailure, systemCode } from '../errors.js';

const GROUPS = new Set(['client', 'client-server', 'client-mariadb', 'tablepipe']);

/** Includes nest; a file that includes itself must not. */
const DEPTH = 10;

/** Options by their long name with hyphens (`ssl-ca`); the last one read wins. An option without a value is `''`. */
export type MysqlOptions = ReadonlyMap<string, string>;

/**
 * Reads an option file. A file that everybody may write is refused (78), as the server's own clients ignore one.
 * `required` is false for a default place, where no file means no options.
 */
export function readOptionFile(path: string, required: boolean): MysqlOptions {
  const options = new Map<string, string>();
  try {
    readInto(options, resolve(path), 0);
  } catch (error) {
    if (!required && systemCode(error) === 'ENOENT') return options;
    throw error instanceof Failure ? error : fileFailure(error, 'reading the option file', path);
  }
  return options;
}

function readInto(options: Map<string, string>, path: string, depth: number): void {
  if ((statSync(path).mode & 0o002) !== 0) {
    throw new Failure('config', `the option file ${path} can be written by everybody`, {
      hint: `Run: chmod o-w ${path}`,
    });
  }
  let wanted = false;
  for (const raw of readFileSync(path, 'utf8').split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const group = /^\[(.*)\]$/.exec(line)?.[1];
    const include = /^!(include|includedir)\s+(.*)$/.exec(line);
    if (group !== undefined) wanted = GROUPS.has(group.trim());
    else if (include) for (const file of included(include[1] ?? '', include[2] ?? '')) descend(options, file, depth);
    else if (wanted) setOption(options, line);
  }
}

function included(kind: string, path: string): string[] {
  if (kind === 'include') return [path];
  const files = readdirSync(path).filter((name) => /\.(?:cnf|ini)$/.test(name));
  return files.toSorted().map((name) => join(path, name));
}

function descend(options: Map<string, string>, path: string, depth: number): void {
  if (depth >= DEPTH) throw new Failure('config', `the option file ${path} is included more than ${DEPTH} files deep`);
  readInto(options, path, depth + 1);
}

function setOption(options: Map<string, string>, line: string): void {
  const [, name = '', value = ''] = /^([^=\s]+)\s*(?:=\s*(.*))?$/.exec(line) ?? [];
  if (name !== '') options.set(name.replaceAll('_', '-').replace(/^loose-/, ''), unquoted(value));
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r', '\\': '\\', s: ' ' };

/** A `#` begins a comment in an unquoted value only; escapes hold in both (option files, MySQL manual 4.2.2.2). */
function unquoted(value: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(value)?.[2];
  const text = quoted ?? value.replace(/\s#.*$/, '').trim();
  return text.replaceAll(/\\([btnr\\s])/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
