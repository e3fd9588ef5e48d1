/**
 * The folded totals every generation carries, and the pure functions that fold one more event into them.
 * Totals come from the chain only; nobody adds to them from outside (reference/original-system.md 4).
 */
import type { Position } from '../end-record.js';
import type { ReadKind } from '../provenance.js';
import type { Receipt } from '../receipt.js';
import { comparePositions } from './position.js';

export type StepStatus = 'pending' | 'running' | 'success' | 'failed';

/** A first load in primary-key order, and how far it is. */
export interface Backfill {
  columns: readonly string[];
  to: Position | null;
  /** The settled bound of its first run: where the cursor stands once it is complete. */
  until: string | null;
  run_id: string;
  status: 'running' | 'complete';
}

/** Closed ranges of generations that do not overlap. Numbers in them that hold no receipts do not matter. */
export type Ranges = readonly (readonly [number, number])[];

export interface State {
  /** Where the next incremental read resumes; null = from the start. Fewer values than columns = inclusive prefix. */
  cursor: Position | null;
  /** Empty while unknown: after `wm set`, or when a backfill set the cursor. */
  cursor_columns: readonly string[];
  /** The cursor of the newest loaded generation. */
  loaded_cursor: Position | null;
  /** The newest generation whose receipts are loaded; 0 = none. */
  loaded_generation: number;
  /** Which generations are loaded: one range, and one more for each jump that left something behind unloaded. */
  loaded: Ranges;
  /** Generations whose receipts are stored and not loaded. */
  pending: Ranges;
  pending_files: number;
  pending_rows: number;
  pending_bytes: number;
  /** The generation of the last reset or restore: no range grows across it, over what it left behind. */
  jump_generation: number;
  backfill: Backfill | null;
  mysql_status: StepStatus;
  redshift_status: StepStatus;
  mysql_rows_extracted: number;
  redshift_rows_loaded: number;
  backup_strategy: ReadKind | null;
  s3_file_count: number;
  /** The newest loaded objects, at most {@link PROCESSED_FILES}; the whole list is in the history. */
  processed_s3_files: readonly string[];
  last_mysql_extraction_time: string | null;
  created_at: string;
  updated_at: string;
}

/** Bounds the size of a generation: the list of loaded objects never grows beyond this. */
export const PROCESSED_FILES = 100;

/** The state before generation 1. */
export function emptyState(at: string): State {
  return {
    cursor: null,
    cursor_columns: [],
    loaded_cursor: null,
    loaded_generation: 0,
    loaded: [],
    pending: [],
    pending_files: 0,
    pending_rows: 0,
    pending_bytes: 0,
    jump_generation: 0,
    backfill: null,
    mysql_status: 'pending',
    redshift_status: 'pending',
    mysql_rows_extracted: 0,
    redshift_rows_loaded: 0,
    backup_strategy: null,
    s3_file_count: 0,
    processed_s3_files: [],
    last_mysql_extraction_time: null,
    created_at: at,
    updated_at: at,
  };
}

export interface Stored {
  generation: number;
  run_id: string;
  read: ReadKind;
  cursor_columns: readonly string[];
  receipts: readonly Receipt[];
  to: Position | null;
  until: string | null;
  /** A limit ended the read: a backfill goes on with the next run. */
  limited: boolean;
  /** `running` while the stream goes on, `success` with its end line, `failed` when it was cut or aborted. */
  status: StepStatus;
  at: string;
}

/** Objects became part of the table: the position of their kind of read moves, and they are pending. */
export function foldStored(state: State, event: Stored): State {
  const rows = sum(event.receipts, (receipt) => receipt.rows ?? 0);
  const complete = event.status === 'success';
  const files = event.receipts.length;
  return {
    ...state,
    ...(event.read === 'incremental' ? { cursor: event.to, cursor_columns: event.cursor_columns } : {}),
    ...(event.read === 'backfill' ? backfilled(state, event) : {}),
    pending:
      files === 0 ? state.pending : joined(state.pending, [event.generation, event.generation], state.jump_generation),
    pending_files: state.pending_files + files,
    pending_rows: state.pending_rows + rows,
    pending_bytes: state.pending_bytes + sum(event.receipts, (receipt) => receipt.bytes),
    mysql_status: event.status,
    redshift_status: files === 0 ? state.redshift_status : 'pending',
    mysql_rows_extracted: state.mysql_rows_extracted + rows,
    backup_strategy: event.read,
    s3_file_count: state.s3_file_count + files,
    last_mysql_extraction_time: files === 0 && !complete ? state.last_mysql_extraction_time : event.at,
    updated_at: event.at,
  };
}

function backfilled(state: State, event: Stored): Partial<State> {
  const running = state.backfill?.status === 'running' ? state.backfill : null;
  // Rows read by an earlier, interrupted run are as old as that run's bound, so the first bound stays.
  const until = running ? running.until : event.until;
  const done = event.status === 'success' && !event.limited;
  const backfill: Backfill = {
    columns: event.cursor_columns,
    to: event.to,
    until,
    run_id: event.run_id,
    status: done ? 'complete' : 'running',
  };
  if (!done || until === null) return { backfill };
  // An incremental run that is already further on need not read those rows again.
  const ahead = state.cursor !== null && (comparePositions(state.cursor, [until]) ?? -1) >= 0;
  return ahead ? { backfill } : { backfill, cursor: [until], cursor_columns: [] };
}

/** Adds a range at the end; it becomes one with the last unless a jump lies between them. */
function joined(ranges: Ranges, [first, last]: Ranges[number], jump: number): Ranges {
  const before = ranges.at(-1);
  if (!before || before[1] < jump) return [...ranges, [first, last]];
  return [...ranges.slice(0, -1), [before[0], Math.max(before[1], last)]];
}

export interface Totals {
  files: number;
  rows: number;
  bytes: number;
}

export interface Loaded {
  /** Everything pending up to and including this generation is in the warehouse. */
  through: number;
  /** The cursor as of that generation. */
  cursor: Position | null;
  /** What was loaded, and what stays pending. */
  loaded: Totals;
  left: Totals;
  urls: readonly string[];
  at: string;
}

/** Pending generations reached the warehouse. */
export function foldLoaded(state: State, event: Loaded): State {
  const due = upTo(state.pending, event.through);
  return {
    ...state,
    loaded_cursor: event.cursor,
    loaded_generation: Math.max(state.loaded_generation, due.at(-1)?.[1] ?? 0),
    loaded: due.reduce((ranges, range) => joined(ranges, range, state.jump_generation), state.loaded),
    pending: without(state.pending, due),
    pending_files: event.left.files,
    pending_rows: event.left.rows,
    pending_bytes: event.left.bytes,
    redshift_status: event.left.files === 0 ? 'success' : 'pending',
    redshift_rows_loaded: state.redshift_rows_loaded + event.loaded.rows,
    processed_s3_files: [...state.processed_s3_files, ...event.urls].slice(-PROCESSED_FILES),
    updated_at: event.at,
  };
}

/** The part of the ranges that lies at or before a generation. */
export function upTo(ranges: Ranges, generation: number): Ranges {
  return ranges
    .filter(([first]) => first <= generation)
    .map(([first, last]) => [first, Math.min(last, generation)] as const);
}

/** The ranges without the numbers in others. */
export function without(ranges: Ranges, others: Ranges): Ranges {
  return others.reduce<Ranges>(
    (left, [from, to]) =>
      left.flatMap(([first, last]) => {
        const pieces: [number, number][] = [
          [first, Math.min(last, from - 1)],
          [Math.max(first, to + 1), last],
        ];
        return pieces.filter(([a, b]) => a <= b);
      }),
    ranges,
  );
}

/** A person moved the cursor. */
export function foldSet(state: State, cursor: Position | null, columns: readonly string[], at: string): State {
  return { ...state, cursor, cursor_columns: columns, updated_at: at };
}

/** Back to the beginning: nothing read, nothing pending. What was loaded stays known. */
export function foldReset(state: State, generation: number, at: string): State {
  const { created_at, loaded, loaded_generation } = state;
  return { ...emptyState(created_at), loaded, loaded_generation, jump_generation: generation, updated_at: at };
}

export interface Restored {
  /** The number of the generation that restores. */
  generation: number;
  earlier: State;
  /** What is pending then: the totals of {@link pendingAgain}. */
  left: Totals;
  at: string;
}

/** An earlier state again; what was loaded since stays loaded. `state` is missing when it cannot be read. */
export function foldRestored(state: State | undefined, { generation, earlier, left, at }: Restored): State {
  const { loaded, loaded_generation } = state ?? earlier;
  const { loaded_cursor } = loaded_generation > earlier.loaded_generation && state ? state : earlier;
  return {
    ...earlier,
    jump_generation: generation,
    loaded,
    loaded_generation,
    loaded_cursor,
    pending: pendingAgain(state, earlier),
    pending_files: left.files,
    pending_rows: left.rows,
    pending_bytes: left.bytes,
    redshift_rows_loaded: earlier.redshift_rows_loaded + earlier.pending_rows - left.rows,
    updated_at: at,
  };
}

/** What was pending in an earlier state and has not been loaded since. */
export function pendingAgain(state: State | undefined, earlier: State): Ranges {
  return without(earlier.pending, state?.loaded ?? []);
}

/** Files, rows and bytes of some receipts. */
export function totalsOf(receipts: readonly Receipt[]): Totals {
  return {
    files: receipts.length,
    rows: sum(receipts, (receipt) => receipt.rows ?? 0),
    bytes: sum(receipts, (receipt) => receipt.bytes),
  };
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
