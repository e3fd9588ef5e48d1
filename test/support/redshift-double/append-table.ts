/** ALTER TABLE … APPEND FROM (reference/redshift.md 4.3, rule 52): moves all rows, commits by itself. */
import type { Executor, Outcome, Plan } from './plan.js';
import { SqlError, unsupported } from './sql-error.js';
import { type Column, columnSql, demandTable, type Table } from './table-columns.js';
import type { TableName, Tape } from './tape.js';
import { shownType } from './type-name.js';

interface Options {
  ignoreExtra: boolean;
  fillTarget: boolean;
}

export function appendFrom(tape: Tape, target: TableName): Plan {
  const source = tape.writeTable();
  const ignoreExtra = tape.accept('ignoreextra');
  const fillTarget = tape.accept('filltarget');
  if (ignoreExtra && fillTarget) throw new SqlError('42601', 'IGNOREEXTRA and FILLTARGET cannot be combined');
  tape.finish();
  return {
    verb: 'alter table append',
    writes: true,
    run: (executor) => run(executor, target, source, { ignoreExtra, fillTarget }),
  };
}

async function run(executor: Executor, target: TableName, source: TableName, options: Options): Promise<Outcome> {
  if (executor.status() !== 'I') {
    throw new SqlError('25001', 'ALTER TABLE APPEND cannot run inside a transaction block');
  }
  return executor.atomic(async () => {
    const into = await permanent(executor, target);
    const out = await permanent(executor, source);
    const moved = columnSql(shared(into, out, options).map((column) => column.name));
    await executor.query(`LOCK TABLE ${target.sql}, ${source.sql} IN ACCESS EXCLUSIVE MODE`);
    await executor.query(`INSERT INTO ${target.sql} (${moved}) SELECT ${moved} FROM ${source.sql}`);
    await executor.query(`DELETE FROM ${source.sql}`);
    return { tag: 'ALTER TABLE APPEND' };
  });
}

async function permanent(executor: Executor, name: TableName): Promise<Table> {
  const table = await demandTable(executor, name);
  const kind = await executor.query(
    `SELECT relkind, relpersistence FROM pg_catalog.pg_class WHERE oid = ${table.relid}`,
  );
  const [relkind, persistence] = kind.rows[0] ?? [];
  if (relkind !== 'r' || persistence !== 'p') throw unsupported(`"${name.name}" is not a permanent table`);
  return table;
}

/** The columns both have, which must agree in everything but their place. */
function shared(target: Table, source: Table, options: Options): Column[] {
  const extra = source.columns.find((column) => !has(target, column));
  if (extra !== undefined && !options.ignoreExtra) {
    throw unsupported(`source column "${extra.name}" is not in the target table`, 'Use IGNOREEXTRA.');
  }
  const lacking = target.columns.find((column) => !has(source, column));
  if (lacking !== undefined && !options.fillTarget) {
    throw unsupported(`target column "${lacking.name}" is not in the source table`, 'Use FILLTARGET.');
  }
  const both = source.columns.filter((column) => has(target, column));
  for (const column of both) same(column, target.columns.find((one) => one.name === column.name) as Column);
  return both;
}

function has(table: Table, column: Column): boolean {
  return table.columns.some((one) => one.name === column.name);
}

function same(source: Column, target: Column): void {
  if (source.identity !== undefined && target.identity !== undefined) {
    throw unsupported(`column "${source.name}" is an IDENTITY column in both tables`);
  }
  const look = (column: Column): string =>
    [shownType(column.type), column.encode, column.notNull, column.distkey, column.sortkey].join(' ');
  if (look(source) !== look(target)) {
    throw unsupported(`column "${source.name}" differs between source and target: ${look(source)} and ${look(target)}`);
  }
}
