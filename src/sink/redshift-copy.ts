/** COPY … FORMAT AS PARQUET MANIFEST: the statement, run once, and the rows the server says it loaded. */
import { Failure } from '../errors.js';
import { type Authorization, authorizationClause, redshiftLiteral } from './redshift-authorization.js';

/** What is needed of a connection. Statements without values go by the simple protocol, the one COPY wants. */
export interface Statements {
  read<Row extends object>(sql: string): Promise<Row[]>;
  write(sql: string): Promise<number>;
}

export interface CopyTarget {
  /** Quoted. */
  table: string;
  /** Quoted, in the order of the file's columns: COPY maps by place and never by name (reference/redshift.md 1.2). */
  columns: readonly string[];
}

/** The columns are always listed, so a table that gained one since is an error and never a shift. */
export function copyStatement(target: CopyTarget, manifest: string, authorization: Authorization): string {
  const list = target.columns.join(', ');
  const from = redshiftLiteral(manifest);
  return `COPY ${target.table} (${list}) FROM ${from} ${authorizationClause(authorization)} FORMAT AS PARQUET MANIFEST`;
}

/** Runs it; the tag of COPY carries no count, so the session is asked (reference/redshift.md 1.11). */
export async function redshiftCopy(session: Statements, statement: string): Promise<number> {
  await session.write(statement);
  const [row] = await session.read<{ copied: string }>('SELECT pg_last_copy_count() AS copied');
  const count = Number(row?.copied);
  if (Number.isSafeInteger(count)) return count;
  throw new Failure('protocol', 'the server does not say how many rows COPY loaded');
}
