/** DISTSTYLE, DISTKEY, SORTKEY, ENCODE AUTO and BACKUP: read, checked, then dropped (rule 45). */
import { SqlError, syntaxError } from './sql-error.js';
import type { Tape } from './tape.js';

export interface TableAttributes {
  diststyle?: 'auto' | 'even' | 'key' | 'all';
  distkey?: string;
  sortkey?: string[];
  backup?: boolean;
  encodeAuto?: boolean;
}

export function tableAttributes(tape: Tape): TableAttributes {
  const found: TableAttributes = {};
  while (one(tape, found));
  return found;
}

function one(tape: Tape, found: TableAttributes): boolean {
  if (tape.accept('backup')) {
    once(found.backup, 'BACKUP');
    found.backup = tape.accept('yes');
    if (!found.backup) tape.expect('no');
  } else if (tape.accept('diststyle')) {
    once(found.diststyle, 'DISTSTYLE');
    const token = tape.take();
    if (token.kind !== 'word' || !/^(auto|even|key|all)$/.test(token.word)) throw syntaxError(token.text);
    found.diststyle = token.word as 'auto' | 'even' | 'key' | 'all';
  } else if (tape.accept('distkey')) {
    once(found.distkey, 'DISTKEY');
    const columns = tape.columns();
    if (columns.length > 1) throw new SqlError('42P16', 'only one DISTKEY column can be specified');
    found.distkey = columns[0] as string;
  } else if (tape.seesAny('compound', 'interleaved', 'sortkey')) sortkey(tape, found);
  else if (tape.accept('encode', 'auto')) found.encodeAuto = true;
  else return false;
  return true;
}

function sortkey(tape: Tape, found: TableAttributes): void {
  once(found.sortkey, 'SORTKEY');
  const interleaved = tape.accept('interleaved');
  if (!interleaved) tape.accept('compound');
  tape.expect('sortkey');
  if (tape.accept('auto')) {
    found.sortkey = [];
    return;
  }
  found.sortkey = tape.columns();
  const most = interleaved ? 8 : 400;
  if (found.sortkey.length > most) throw new SqlError('42P16', `a sort key can have at most ${most} columns`);
}

function once(value: unknown, name: string): void {
  if (value !== undefined) throw new SqlError('42601', `${name} specified more than once`);
}
