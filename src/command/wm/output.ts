/** How the verbs of `wm` print: lines for a person on a terminal, JSON everywhere else. */
import type { Flag } from '../../cli/flags.js';
import type { Invocation } from '../../cli/command.js';
import { Failure } from '../../errors.js';
import { stdoutIsTerminal, writeStdout } from '../../sink/stdout.js';
import type { Hand } from '../../watermark/moves.js';
import { STORE_FLAGS } from '../watermark-store.js';

export const JSON_FLAG: Flag = { name: 'json', help: 'print JSON also on a terminal' };

/** What a person may say about a move made by hand. */
export const REASON_FLAG: Flag = { name: 'reason', value: 'TEXT', help: 'kept in the history' };

/** Who moves a watermark by hand, and why. */
export function handOf({ flags, runId: run_id }: Invocation): Hand {
  const reason = flags.text('reason');
  return reason === undefined ? { run_id } : { run_id, reason };
}

/** What every verb takes. */
export const WM_FLAGS: readonly Flag[] = [...STORE_FLAGS, JSON_FLAG];

/** True when a person reads and did not ask for JSON. */
export function readable({ flags }: Invocation): boolean {
  return stdoutIsTerminal() && !flags.on('json');
}

/** One JSON record, or the lines that say the same to a person. */
export async function printRecord(invocation: Invocation, record: object, lines: () => string[]): Promise<void> {
  await writeStdout(readable(invocation) ? `${lines().join('\n')}\n` : `${JSON.stringify(record)}\n`);
}

/** Columns padded to their widest cell, headed. */
export function aligned(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `name  value` lines. */
export function fields(record: object): string[] {
  const names = Object.keys(record);
  const width = Math.max(...names.map((name) => name.length));
  return Object.entries(record).map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`);
}

/** A value as a person reads it; nothing is a dash. */
export function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The one operand of a verb that works on one table; 64 for none or several. */
export function oneTable({ operands }: Invocation, usage: string): string {
  const [table, ...more] = operands;
  if (table === undefined || table === '' || more.length > 0) {
    throw new Failure('usage', table ? `one table expected, got ${operands.length}` : 'no table given', {
      hint: `Write: wm ${usage}.`,
    });
  }
  if (/[\u0000-\u001f\u007f]/.test(table)) throw new Failure('usage', 'the table name holds a control character');
  return table;
}
