/** ALTER TABLE: what Amazon's page allows (reference/redshift.md 4.3, rule 51). APPEND is in append-table.ts. */
import { appendFrom } from './append-table.js';
import { checkDefinition, checkName, columnDefinition, type ColumnSpec, readColumn } from './column-spec.js';
import { foreignKey, type KeySpec, recordKey, recordLongName } from './create-table.js';
import { backing, literal, refuseSystemColumn } from './identifier.js';
import { type Executor, type Outcome, type Plan, writeLock } from './plan.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import { type Column, demandTable, type Table } from './table-columns.js';
import type { TableName, Tape } from './tape.js';
import { backingType, checkOf, readType } from './type-name.js';

const TAG = 'ALTER TABLE';
const MOST_COLUMNS = 1600;

export function alterTable(tape: Tape): Plan {
  tape.expect('alter', 'table');
  if (tape.seesAny('only', 'if')) tape.fail();
  const name = tape.writeTable();
  if (tape.accept('append', 'from')) return appendFrom(tape, name);
  const act = action(tape, name);
  tape.finish();
  return {
    verb: 'alter table',
    writes: false,
    run: (executor) => (act.alone ? act.run(executor) : executor.atomic(() => act.run(executor))),
  };
}

interface Action {
  /** Not inside a transaction block. */
  alone?: boolean;
  run(executor: Executor): Promise<Outcome>;
}

function action(tape: Tape, name: TableName): Action {
  if (tape.accept('add')) return add(tape, name);
  if (tape.accept('drop')) return drop(tape, name);
  if (tape.sees('alter', 'distkey') || tape.sees('alter', 'sortkey') || tape.sees('alter', 'diststyle')) {
    throw unverified('changing the distribution or sort key');
  }
  if (tape.accept('alter')) {
    tape.accept('column');
    return alterColumn(tape, name);
  }
  if (tape.accept('rename', 'to')) {
    const sql = `ALTER TABLE ${name.sql} RENAME TO ${backing(tape.name())}`;
    return statement(sql, tape.longNames);
  }
  if (tape.accept('rename')) {
    tape.accept('column');
    const old = tape.column();
    tape.expect('to');
    const fresh = tape.name();
    refuseSystemColumn(fresh, true);
    return statement(`ALTER TABLE ${name.sql} RENAME COLUMN ${backing(old)} TO ${backing(fresh)}`, tape.longNames);
  }
  if (tape.accept('owner', 'to'))
    return statement(`ALTER TABLE ${name.sql} OWNER TO ${backing(tape.name())}`, new Set());
  throw syntaxError(tape.peek().text);
}

function statement(sql: string, longNames: ReadonlySet<string>): Action {
  return {
    async run(executor) {
      await executor.query(sql);
      for (const long of longNames) await recordLongName(executor, long);
      return { tag: TAG };
    },
  };
}

function add(tape: Tape, name: TableName): Action {
  if (tape.sees('constraint') || tape.sees('primary', 'key') || tape.sees('unique', '(') || tape.sees('foreign')) {
    return addKey(tape, name);
  }
  if (tape.seesAny('check', 'exclude')) throw unsupported('CHECK and EXCLUDE constraints are not supported');
  tape.accept('column');
  if (tape.sees('if')) throw syntaxError('if');
  const spec = readColumn(tape);
  if (
    spec.unique ||
    spec.primary ||
    spec.references !== undefined ||
    spec.identity !== undefined ||
    spec.distkey ||
    spec.sortkey
  ) {
    throw unsupported(
      'ALTER TABLE ADD COLUMN cannot have UNIQUE, PRIMARY KEY, REFERENCES, IDENTITY, DISTKEY or SORTKEY',
    );
  }
  if (tape.sees(',')) throw syntaxError(',');
  const { longNames } = tape;
  return { run: (executor) => addColumn(executor, name, spec, longNames) };
}

async function addColumn(
  executor: Executor,
  name: TableName,
  spec: ColumnSpec,
  longNames: ReadonlySet<string>,
): Promise<Outcome> {
  const before = await demandTable(executor, name);
  if (before.columns.length >= MOST_COLUMNS)
    throw new SqlError('54011', `tables can have at most ${MOST_COLUMNS} columns`);
  if (spec.notNull && spec.defaultSql === undefined) {
    const some = await executor.query(`SELECT 1 FROM ${name.sql} LIMIT 1`);
    if (some.rows.length > 0)
      throw unverified(
        'adding a NOT NULL column without DEFAULT to a table that has rows fails; its text is not recorded',
      );
  }
  await executor.query(`ALTER TABLE ${name.sql} ADD COLUMN ${columnDefinition(spec)}`);
  const after = await demandTable(executor, name);
  const attnum = after.columns.at(-1)?.attnum;
  await executor.query(
    `INSERT INTO redshift_double.column_meta VALUES (${after.relid}, ${attnum}, ${literal(spec.encode ?? 'none')}, false, 0)`,
  );
  for (const long of longNames) await recordLongName(executor, long);
  return { tag: TAG };
}

function addKey(tape: Tape, name: TableName): Action {
  const shown = tape.accept('constraint') ? tape.name() : undefined;
  const key = readKey(tape);
  return {
    async run(executor) {
      const table = await demandTable(executor, name);
      const columns = key.columns.map((wanted) => demandColumn(table, wanted));
      const loose = columns.find((column) => !column.notNull);
      if (key.kind === 'PRIMARY KEY' && loose !== undefined) {
        throw new SqlError('42P16', `column "${loose.name}" must be NOT NULL to be part of a primary key`);
      }
      await recordKey(executor, table, key, shown);
      return { tag: TAG };
    },
  };
}

function readKey(tape: Tape): KeySpec {
  if (tape.accept('primary', 'key')) return { kind: 'PRIMARY KEY', columns: tape.columns() };
  if (tape.accept('unique')) return { kind: 'UNIQUE', columns: tape.columns() };
  if (tape.accept('foreign', 'key')) return foreignKey(tape);
  if (tape.seesAny('check', 'exclude')) throw unsupported('CHECK and EXCLUDE constraints are not supported');
  throw syntaxError(tape.peek().text);
}

function drop(tape: Tape, name: TableName): Action {
  if (tape.accept('constraint')) return dropKey(tape, name);
  tape.accept('column');
  if (tape.sees('if')) throw syntaxError('if');
  const wanted = tape.column();
  const cascade = tape.accept('cascade') ? ' CASCADE' : '';
  if (cascade === '') tape.accept('restrict');
  return {
    async run(executor) {
      const table = await demandTable(executor, name);
      const column = demandColumn(table, wanted);
      if (column.distkey) throw unsupported(`cannot drop distribution key column "${wanted}"`);
      if (column.sortkey !== 0) throw unsupported(`cannot drop sort key column "${wanted}"`);
      if (table.columns.length === 1) throw unsupported(`cannot drop the last column of relation "${name.name}"`);
      await executor.query(`ALTER TABLE ${name.sql} DROP COLUMN ${backing(wanted)}${cascade}`);
      return { tag: TAG };
    },
  };
}

function dropKey(tape: Tape, name: TableName): Action {
  const wanted = tape.name();
  if (!tape.accept('cascade')) tape.accept('restrict');
  return {
    async run(executor) {
      const table = await demandTable(executor, name);
      const gone = await executor.query(
        `DELETE FROM redshift_double.key_meta WHERE relid = ${table.relid} AND name = ${literal(wanted)}`,
      );
      if (gone.count === 0) throw new SqlError('42704', `constraint "${wanted}" does not exist`);
      return { tag: TAG };
    },
  };
}

function alterColumn(tape: Tape, name: TableName): Action {
  const wanted = tape.column();
  if (tape.sees('encode')) throw unverified('ALTER COLUMN ENCODE');
  if (!tape.accept('type')) throw syntaxError(tape.peek().text);
  const type = readType(tape);
  if (tape.sees('using')) throw unsupported('ALTER TABLE ALTER COLUMN does not support USING expression');
  if (tape.sees(',')) throw syntaxError(',');
  const run = async (executor: Executor): Promise<Outcome> => {
    if (executor.status() !== 'I') {
      throw new SqlError('25001', 'ALTER TABLE ALTER COLUMN cannot run inside a transaction block');
    }
    return executor.atomic(async () => {
      const table = await demandTable(executor, name);
      const column = demandColumn(table, wanted);
      if (column.type.name !== 'varchar' || type.name !== 'varchar') {
        throw unsupported(`column "${wanted}": only the length of a VARCHAR column can be altered`);
      }
      await allowed(executor, table, column);
      await writeLock(executor, name.sql);
      await resize(executor, table, column, type.length ?? 256);
      return { tag: TAG };
    });
  };
  return { alone: true, run };
}

async function allowed(executor: Executor, table: Table, column: Column): Promise<void> {
  if (column.defaultSql !== undefined)
    throw unsupported(`cannot alter type of column "${column.name}": it has a DEFAULT`);
  if (/^(bytedict|runlength|text255|text32k)$/.test(column.encode)) {
    throw unsupported(`cannot alter type of column "${column.name}": its encoding is ${column.encode.toUpperCase()}`);
  }
  const keys = await executor.query(
    `SELECT 1 FROM redshift_double.key_meta WHERE relid = ${table.relid} AND ${column.attnum} = ANY(attnums)`,
  );
  if (keys.rows.length > 0) throw unsupported(`cannot alter type of column "${column.name}": it is part of a key`);
}

async function resize(executor: Executor, table: Table, column: Column, length: number): Promise<void> {
  const sql = backing(column.name);
  const longest = await executor.query(`SELECT coalesce(max(octet_length(${sql})), 0) FROM ${table.name.sql}`);
  if (Number(longest.rows[0]?.[0]) > length) {
    throw unsupported(`cannot alter column "${column.name}" to VARCHAR(${length}): a stored value is longer`);
  }
  const type = { name: 'varchar', length } as const;
  const old = checkName(checkOf(column.type, sql)?.kind ?? '', column.name);
  await executor.query(`ALTER TABLE ${table.name.sql} DROP CONSTRAINT IF EXISTS ${old}`);
  await executor.query(`ALTER TABLE ${table.name.sql} ALTER COLUMN ${sql} TYPE ${backingType(type)}`);
  await executor.query(`ALTER TABLE ${table.name.sql} ADD ${checkDefinition(column.name, type)}`);
}

function demandColumn(table: Table, name: string): Column {
  const column = table.columns.find((one) => one.name === name);
  if (column !== undefined) return column;
  throw new SqlError('42703', `column "${name}" of relation "${table.name.name}" does not exist`);
}
