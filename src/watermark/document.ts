/** The watermark as people know it: the fields of the original system under their old names, and ours. */
import type { Position } from '../end-record.js';
import type { Generation } from './generation.js';
import { isTimestamp } from './position.js';
import { emptyState } from './state.js';

/** Everything `wm get` prints; a table that was never extracted has generation 0. */
export function watermarkDocument(table: string, newest: Generation | undefined): Record<string, unknown> {
  const state = newest?.state ?? emptyState('');
  return {
    table_name: table,
    last_mysql_data_timestamp: timestampOf(state.cursor),
    last_mysql_data_id: idOf(state.cursor),
    last_mysql_extraction_time: state.last_mysql_extraction_time,
    mysql_status: state.mysql_status,
    redshift_status: state.redshift_status,
    mysql_rows_extracted: state.mysql_rows_extracted,
    redshift_rows_loaded: state.redshift_rows_loaded,
    backup_strategy: state.backup_strategy,
    s3_file_count: state.s3_file_count,
    processed_s3_files: state.processed_s3_files,
    created_at: newest ? state.created_at : null,
    updated_at: newest ? state.updated_at : null,
    generation: newest?.generation ?? 0,
    cursor: state.cursor,
    cursor_columns: state.cursor_columns,
    loaded_cursor: state.loaded_cursor,
    loaded_generation: state.loaded_generation,
    pending_files: state.pending_files,
    pending_rows: state.pending_rows,
    pending_bytes: state.pending_bytes,
    backfill: state.backfill,
    run_id: newest?.run_id ?? null,
  };
}

/** The first value, when it is a date or time: the exact text MySQL sent. */
export function timestampOf(cursor: Position | null): string | null {
  const [first] = cursor ?? [];
  return first !== undefined && isTimestamp(first) ? first : null;
}

/** The last value that is not the timestamp; for a cursor of several keys, the last of them. */
function idOf(cursor: Position | null): string | null {
  const rest = timestampOf(cursor) === null ? cursor : cursor?.slice(1);
  return rest?.at(-1) ?? null;
}
