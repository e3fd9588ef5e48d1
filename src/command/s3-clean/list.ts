/** `s3-clean list`: every object below a folder and what it is to us. */
import type { Command } from '../../cli/command.js';
import { writeStdout } from '../../sink/stdout.js';
import { aligned, cell, readable } from '../wm/output.js';
import { objectAccess } from '../object-access.js';
import { CLEAN_FLAGS, clockOf, folderOf, recordOf } from './place.js';

const HEAD = ['state', 'bytes', 'rows', 'age', 'table', 'url'];

const command: Command = {
  summary: 'list objects: bytes, rows, age, and stored, loaded, orphan, foreign or unfinished upload',
  usage: 'URL/ [flags]',
  examples: [
    's3-clean list s3://lake/incremental/',
    's3-clean list s3://lake/incremental/ --json | jq -r .state | sort | uniq -c',
  ],
  flags: CLEAN_FLAGS,
  async run(invocation) {
    const folder = folderOf(invocation, 'list');
    const { Judge } = await import('./judge.js');
    const access = objectAccess(invocation);
    const judge = await Judge.of(folder, invocation, access);
    const now = await clockOf(folder, access);
    const rows: string[][] = [];
    for await (const one of judge.all()) {
      if (!readable(invocation)) await writeStdout(`${JSON.stringify(recordOf(one, now()))}\n`);
      else rows.push([one.state, cell(one.bytes), cell(one.rows), age(now() - one.modified), cell(one.table), one.url]);
    }
    if (readable(invocation)) await writeStdout(`${aligned(HEAD, rows).join('\n')}\n`);
  },
};

export default command;

/** The largest whole unit. */
function age(ms: number): string {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 60) return `${minutes}m`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1440)}d`;
}
