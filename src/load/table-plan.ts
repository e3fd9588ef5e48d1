/** The files' columns against the table that is there, or the table that has to be made. Decides before anything moves. */
import type { SourceColumn } from '../column/source-column.js';
import { Failure } from '../errors.js';
import { type Table, quoted, quotedTable, storedNames } from './name.js';
import type { Mode, PlannedColumn, TablePlan, TargetTable, Warehouse } from './warehouse.js';

export interface PlanOptions {
  /** Undefined: upsert when a key is known, else append. */
  mode: Mode | undefined;
  /** Names as the files or the warehouse spell them; undefined: the primary key the receipts name. */
  key: readonly string[] | undefined;
  create: boolean;
  evolve: 'add' | 'fail';
  /** Column to the type it is cast to, or true for "whatever type it has in the target". */
  casts: ReadonlyMap<string, string | true>;
  softDelete: string | null;
  /** A snapshot without rows may replace a table that has some. */
  allowEmpty: boolean;
}

/** What the receipts say of the rows. */
export interface RowFacts {
  primary_key: readonly string[];
  cursor_columns: readonly string[];
}

/**
 * Plans a load. Throws 66 when there is no table and none may be made, 65 with the difference and the statements that
 * would settle it when the table has other columns, 64 when the mode needs a key and there is none.
 */
export function planTable(
  warehouse: Warehouse,
  target: Table,
  sources: readonly SourceColumn[],
  facts: RowFacts,
  existing: TargetTable | undefined,
  options: PlanOptions,
): TablePlan {
  const names = storedNames(
    warehouse.names,
    sources.map(({ name }) => name),
  );
  const key = keyOf(names, options.key ?? facts.primary_key);
  const mode = options.mode ?? (key.length > 0 ? 'upsert' : 'append');
  demandKey(mode, key, options);
  refuseUnknownCasts(names, options);
  const { softDelete } = options;
  const cursor = facts.cursor_columns.flatMap((column) => names.get(column) ?? []);
  const base = { target, mode, key, cursor, softDelete };
  if (!existing) {
    if (!options.create) {
      throw new Failure('no-input', `the table ${quotedTable(target)} does not exist`, {
        hint: 'Add --create, or make it with rs-ddl.',
      });
    }
    const columns = sources.map((source) => placed(warehouse, source, names, undefined, options));
    const plan = { ...base, exists: false, columns: notNullKeys(columns, key), enforced: warehouse.enforcesKeys };
    return { ...plan, ddl: [warehouse.createTable(plan)] };
  }
  const { columns, ddl } = fitted(warehouse, target, sources, names, key, existing, options);
  const enforced = existing.unique.some((set) => sameSet(set, key));
  return { ...base, exists: true, columns, enforced, ddl };
}

function keyOf(names: ReadonlyMap<string, string>, key: readonly string[]): string[] {
  const stored = new Set(names.values());
  return key.map((name) => {
    const found = names.get(name) ?? (stored.has(name) ? name : undefined);
    if (found !== undefined) return found;
    throw new Failure('data', `the key column ${name} is not among the columns of the files`, {
      hint: 'Extract it too, or name other columns with --key.',
    });
  });
}

function demandKey(mode: Mode, key: readonly string[], { softDelete }: PlanOptions): void {
  const hint = 'Name the columns that tell rows apart with --key, or use --mode append.';
  if (mode === 'upsert' && key.length === 0) throw new Failure('usage', '--mode upsert needs a key', { hint });
  if (softDelete === null) return;
  if (mode !== 'replace')
    throw new Failure('usage', '--soft-delete needs --mode replace: only it knows which rows are gone');
  if (key.length === 0) throw new Failure('usage', '--soft-delete needs a key', { hint });
}

function refuseUnknownCasts(names: ReadonlyMap<string, string>, { casts }: PlanOptions): void {
  const unknown = [...casts.keys()].find((name) => !names.has(name));
  if (unknown !== undefined) throw new Failure('usage', `--cast ${unknown}: the files have no such column`);
}

function placed(
  warehouse: Warehouse,
  source: SourceColumn,
  names: ReadonlyMap<string, string>,
  type: string | undefined,
  options: PlanOptions,
): PlannedColumn {
  const placement = warehouse.place(source, type, options.casts.get(source.name) ?? false);
  return { ...placement, source, name: names.get(source.name) as string, nullable: source.nullable };
}

/** Key columns of a table that is made are NOT NULL, also where the file could hold a NULL. */
function notNullKeys(columns: readonly PlannedColumn[], key: readonly string[]): PlannedColumn[] {
  return columns.map((column) => (key.includes(column.name) ? { ...column, nullable: false } : column));
}

function fitted(
  warehouse: Warehouse,
  target: Table,
  sources: readonly SourceColumn[],
  names: ReadonlyMap<string, string>,
  key: readonly string[],
  existing: TargetTable,
  options: PlanOptions,
): { columns: PlannedColumn[]; ddl: string[] } {
  const ddl: string[] = [];
  const differences: string[] = [];
  const cures: string[] = [];
  const columns = sources.map((source) => {
    const name = names.get(source.name) as string;
    const there = existing.columns.find((one) => one.name === name);
    const column = placed(warehouse, source, names, there?.type, options);
    if (!there) {
      const statement = addColumn(target, column);
      if (options.evolve === 'add') ddl.push(statement);
      else {
        differences.push(`${name} (${column.type}) is missing`);
        cures.push(statement);
      }
      return column;
    }
    // A key keeps its NOT NULL, also where the file could hold a NULL.
    const bound = key.includes(name) ? { ...there, nullable: true } : there;
    if (options.evolve === 'add') ddl.push(...warehouse.widen(target, column, bound));
    if (column.fit === 'cast' && !options.casts.has(source.name)) {
      differences.push(`${name} is ${there.type}, the files have ${warehouse.place(source, undefined, false).type}`);
      cures.push(`--cast ${source.name}`);
    }
    return column;
  });
  const arriving = new Set(columns.map(({ name }) => name));
  for (const { name, nullable, filled } of existing.columns) {
    if (arriving.has(name) || nullable || filled || name === options.softDelete) continue;
    differences.push(`${name} is NOT NULL without a default, and the files do not have it`);
    cures.push(`ALTER TABLE ${quotedTable(target)} ALTER COLUMN ${quoted(name)} DROP NOT NULL`);
  }
  if (options.softDelete !== null && !existing.columns.some(({ name }) => name === options.softDelete)) {
    ddl.push(addColumn(target, { name: options.softDelete, type: 'timestamptz' }));
  }
  if (differences.length > 0) throw differs(target, differences, cures);
  return { columns, ddl };
}

/** The same on both warehouses; Redshift takes one column a statement. */
function addColumn(table: Table, { name, type }: Pick<PlannedColumn, 'name' | 'type'>): string {
  return `ALTER TABLE ${quotedTable(table)} ADD COLUMN ${quoted(name)} ${type}`;
}

function differs(target: Table, differences: readonly string[], cures: readonly string[]): Failure {
  const add = differences.some((one) => one.endsWith('is missing'))
    ? ' (--evolve add does it for missing columns)'
    : '';
  return new Failure('data', `the table ${quotedTable(target)} differs from the files: ${differences.join('; ')}`, {
    hint: `Settle it with: ${cures.join('; ')}${add}.`,
  });
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length > 0 && a.length === b.length && a.every((name) => b.includes(name));
}
