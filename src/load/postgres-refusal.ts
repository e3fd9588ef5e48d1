/**
 * Names the row PostgreSQL refused. COPY counts lines; a merge does not tell, so the value that cannot fit is looked
 * for in the objects.
 */
import type { RecordBatch } from 'apache-arrow';
import { RowFailure } from '../codec/postgres-cell.js';
import { Failure } from '../errors.js';
import { type ServerError, sqlState } from '../warehouse-failure.js';
import { type IsRow, type Searched, findRow, rowName } from './found-row.js';
import type { PlannedColumn, TablePlan } from './warehouse.js';

/** The failure with the row in it, when its rows can be found; a search that fails leaves it as it is. */
export async function namedRefusal(error: unknown, failure: Failure, searched: Searched): Promise<Failure> {
  if (failure.kind !== 'data') return failure;
  const isRow = refused(error, searched.plan);
  const found = isRow && (await findRow(searched, isRow).catch(() => undefined));
  if (!found) return error instanceof RowFailure ? located(failure, `row ${error.row + 1}`) : failure;
  return located(failure, rowName(found));
}

function located(failure: Failure, where: string): Failure {
  const hint = failure.hint === undefined ? {} : { hint: failure.hint };
  return new Failure('data', `${failure.message}: ${where}`, { cause: failure.cause, ...hint });
}

function refused(error: unknown, plan: TablePlan): IsRow | undefined {
  if (error instanceof RowFailure) return (_, __, at) => at === error.row + 1;
  const { where = '', column } = error as ServerError;
  const line = Number(/COPY [^,]+, line ([0-9]+)/.exec(where)?.[1] ?? 0);
  if (line > 0) return (_, __, at) => at === line;
  switch (sqlState(error)) {
    case '23502':
      return anyOf(
        plan.columns.filter(({ name }) => name === column && name !== ''),
        (value) => value == null,
      );
    case '22001':
      return anyOf(
        plan.columns.filter(({ fit }) => fit === 'checked'),
        (value, { type }) => isLong(value, type),
      );
    case '22003':
      return anyOf(
        plan.columns.filter(({ fit }) => fit === 'checked'),
        (value, { type }) => isOutside(value, type),
      );
    default:
      return undefined;
  }
}

type Wrong = (value: unknown, column: PlannedColumn) => boolean;

function anyOf(columns: readonly PlannedColumn[], wrong: Wrong): IsRow | undefined {
  if (columns.length === 0) return undefined;
  const valueIn = (batch: RecordBatch, row: number, { source }: PlannedColumn): unknown =>
    batch.getChild(source.name)?.get(row);
  return (batch, row) => columns.some((column) => wrong(valueIn(batch, row, column), column));
}

/** Characters are counted, blanks at the end are not: PostgreSQL cuts those. */
function isLong(value: unknown, type: string): boolean {
  const room = /^(?:var)?char\(([0-9]+)\)$/.exec(type)?.[1];
  return typeof value === 'string' && room !== undefined && Array.from(value.trimEnd()).length > Number(room);
}

const BITS: Readonly<Record<string, number>> = { smallint: 16, integer: 32, bigint: 64 };

function isOutside(value: unknown, type: string): boolean {
  const bits = BITS[type];
  if (bits === undefined || (typeof value !== 'number' && typeof value !== 'bigint')) return false;
  return BigInt.asIntN(bits, BigInt(value)) !== BigInt(value);
}
