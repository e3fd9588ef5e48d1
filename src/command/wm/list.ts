/** `wm list`: every table of a store at a glance. */
import type { Command, Invocation } from '../../cli/command.js';
import { writeStdout } from '../../sink/stdout.js';
import { linkOf } from '../../watermark/damage.js';
import { timestampOf } from '../../watermark/document.js';
import type { Generation } from '../../watermark/generation.js';
import { newest } from '../../watermark/tail.js';
import { type WatermarkStore, tableFolder } from '../../watermark/store.js';
import { openStore, openTableChain } from '../watermark-store.js';
import { WM_FLAGS, aligned, cell, readable } from './output.js';

/** Tables read at once. */
const AT_ONCE = 8;

const command: Command = {
  summary: 'list tables with their lag, pending files and last run',
  usage: '[GLOB ...] [flags]',
  examples: ['wm list', "wm list 'shop.*' --json"],
  flags: WM_FLAGS,
  async run(invocation) {
    const store = await openStore(invocation);
    const folders = await store.folders(invocation.signal);
    const rows: string[][] = [];
    let tables = 0;
    let unreadable: unknown;
    for (let at = 0; at < folders.length; at += AT_ONCE) {
      const found = await Promise.all(folders.slice(at, at + AT_ONCE).map((folder) => look(store, folder, invocation)));
      for (const one of found) {
        if (!one || !wanted(one.record.table, invocation.operands)) continue;
        unreadable ??= one.trouble;
        tables += 1;
        if (readable(invocation)) rows.push(Object.values(one.record).map(cell));
        else await writeStdout(`${JSON.stringify(one.record)}\n`);
      }
    }
    if (tables === 0) invocation.words.note(`${store.url} holds no ${folders.length > 0 ? 'such table' : 'table'}`);
    else if (readable(invocation)) await writeStdout(`${aligned(HEAD, rows).join('\n')}\n`);
    if (unreadable) throw unreadable as Error;
  },
};

export default command;

const HEAD = [
  'table',
  'generation',
  'cursor',
  'lag_seconds',
  'pending_files',
  'mysql',
  'redshift',
  'last_run',
  'updated_at',
  'error',
];

interface Seen {
  record: Record<string, unknown> & { table: string };
  trouble?: unknown;
}

/** One table; undefined for a folder without generations. A chain that cannot be read is a line of its own. */
async function look(store: WatermarkStore, folder: string, invocation: Invocation): Promise<Seen | undefined> {
  const table = await tableOf(store, folder, invocation.signal);
  const chain = table === undefined ? undefined : openTableChain(store, table, invocation);
  const tail = await chain?.tail();
  if (!chain || !tail) return undefined;
  try {
    const link = await linkOf(tail, chain);
    return link && { record: summary(link.doc, store.now()) };
  } catch (trouble) {
    const error = (trouble as Error).message;
    return { record: { ...blank(chain.table, tail.generation), error }, trouble };
  }
}

/** The table a folder belongs to: its name says so, unless it had to be shortened; then its newest file does. */
async function tableOf(store: WatermarkStore, folder: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const table = decodeURIComponent(folder);
    if (tableFolder(table) === folder) return table;
  } catch {
    // A shortened name is not an encoding.
  }
  const found = await newest(store, folder, signal);
  const table = found && tableName(found.bytes);
  return table !== undefined && tableFolder(table) === folder ? table : undefined;
}

function summary(doc: Generation, now: number): Seen['record'] {
  const { state } = doc;
  return {
    table: doc.table,
    generation: doc.generation,
    cursor: state.cursor,
    lag_seconds: lagSeconds(timestampOf(state.cursor), now),
    pending_files: state.pending_files,
    mysql_status: state.mysql_status,
    redshift_status: state.redshift_status,
    run_id: doc.run_id,
    updated_at: state.updated_at,
    error: null,
  };
}

function blank(table: string, generation: number): Seen['record'] {
  const nothing = { cursor: null, lag_seconds: null, pending_files: null, mysql_status: null, redshift_status: null };
  return { table, generation, ...nothing, run_id: null, updated_at: null };
}

/** How long ago the newest extracted row changed, read as UTC: an estimate for people, used for no decision. */
function lagSeconds(timestamp: string | null, now: number): number | null {
  if (timestamp === null) return null;
  const at = Date.parse(`${timestamp.slice(0, 19).replace(' ', 'T')}${timestamp.length > 10 ? 'Z' : ''}`);
  return Number.isFinite(at) ? Math.max(0, Math.round((now - at) / 1000)) : null;
}

/** The table a generation speaks of; undefined when it does not say. */
export function tableName(bytes: Uint8Array): string | undefined {
  const found = /\n {2}"table": ("(?:[^"\\]|\\.)*")/.exec(Buffer.from(bytes).toString('utf8'))?.[1];
  try {
    return found === undefined ? undefined : (JSON.parse(found) as string);
  } catch {
    return undefined;
  }
}

function wanted(table: string, globs: readonly string[]): boolean {
  return globs.length === 0 || globs.some((glob) => globPattern(glob).test(table));
}

/** `*` and `?`; everything else stands for itself. */
export function globPattern(glob: string): RegExp {
  const source = glob
    .replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 'su');
}
