/** CREATE TABLE in all its forms (reference/redshift.md 4.2, 4.6, 4.8; rules 41 to 46, 48, 49). */
import { literal, shownName } from './identifier.js';
import { columnDefinition, type ColumnSpec, readColumn, refuseKey } from './column-spec.js';
import type { Executor, Plan } from './plan.js';
import { query } from './query.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import { demandTable, lookUp, type Table } from './table-columns.js';
import type { TableName, Tape } from './tape.js';
import { tableAttributes, type TableAttributes } from './table-attributes.js';

const MOST_COLUMNS = 1600;

interface Like {
  parent: TableName;
  defaults: boolean;
}

export interface KeySpec {
  kind: 'PRIMARY KEY' | 'UNIQUE' | 'FOREIGN KEY';
  columns: string[];
  references?: string;
}

interface Spec {
  name: TableName;
  temporary: boolean;
  unlessExists: boolean;
  items: (ColumnSpec | Like)[];
  keys: KeySpec[];
  attributes: TableAttributes;
  longNames: ReadonlySet<string>;
}

export function createTable(tape: Tape): Plan {
  tape.expect('create');
  if (tape.seesAny('global', 'unlogged')) tape.fail();
  tape.accept('local');
  const temporary = tape.accept('temporary') || tape.accept('temp');
  tape.expect('table');
  const unlessExists = tape.accept('if', 'not', 'exists');
  const name = tape.writeTable();
  const temp = temporary || name.name.startsWith('#');
  if (temp && name.schema !== undefined)
    throw new SqlError('42P16', 'cannot create temporary relation in non-temporary schema');
  const head = { name, temporary: temp, unlessExists, longNames: tape.longNames };
  if (!tape.sees('(') || tape.sees('(', 'select')) return createAs(tape, head);
  const { items, keys } = readItems(tape);
  const attributes = tableAttributes(tape);
  if (tape.accept('as')) throw unverified('CREATE TABLE with a column list AS');
  if (tape.seesAny('partition', 'inherits', 'tablespace', 'with', 'on')) throw syntaxError(tape.peek().text);
  tape.finish();
  const spec: Spec = { ...head, items, keys, attributes };
  return { verb: 'create table', writes: false, run: (executor) => executor.atomic(() => create(executor, spec)) };
}

function readItems(tape: Tape): { items: (ColumnSpec | Like)[]; keys: KeySpec[] } {
  const items: (ColumnSpec | Like)[] = [];
  const keys: KeySpec[] = [];
  tape.expect('(');
  do {
    if (tape.accept('like')) items.push(readLike(tape));
    else if (tape.accept('primary', 'key')) keys.push({ kind: 'PRIMARY KEY', columns: tape.columns() });
    else if (tape.sees('unique', '(') && tape.accept('unique')) keys.push({ kind: 'UNIQUE', columns: tape.columns() });
    else if (tape.accept('foreign', 'key')) keys.push(foreignKey(tape));
    else if (tape.sees('check') || tape.sees('exclude'))
      throw unsupported('CHECK and EXCLUDE constraints are not supported');
    else if (tape.sees('constraint')) throw unverified('a constraint name in CREATE TABLE');
    else items.push(readColumn(tape));
  } while (tape.accept(','));
  tape.expect(')');
  return { items, keys };
}

export function foreignKey(tape: Tape): KeySpec {
  const columns = tape.columns();
  tape.expect('references');
  const references = tape.writeTable().name;
  if (tape.sees('(')) tape.columns();
  return { kind: 'FOREIGN KEY', columns, references };
}

function readLike(tape: Tape): Like {
  const parent = tape.writeTable();
  let defaults = false;
  while (tape.seesAny('including', 'excluding')) {
    const including = tape.accept('including') || !tape.accept('excluding');
    if (!tape.accept('defaults')) throw syntaxError(tape.peek().text);
    defaults = including;
  }
  return { parent, defaults };
}

async function create(executor: Executor, spec: Spec): Promise<{ tag: string }> {
  const tag = 'CREATE TABLE';
  if (spec.unlessExists && (await lookUp(executor, spec.name)) !== undefined) {
    executor.notice(`Relation "${spec.name.name}" already exists and will be skipped.`);
    return { tag };
  }
  const { columns, attributes } = await expand(executor, spec);
  const keys = keysOf(columns, spec.keys);
  validate(columns, keys, attributes);
  const temp = spec.temporary ? 'TEMP ' : '';
  await executor.query(`CREATE ${temp}TABLE ${spec.name.sql} (${columns.map(columnDefinition).join(', ')})`);
  const table = await demandTable(executor, spec.name);
  await record(executor, table, columns, attributes);
  for (const key of keys) await recordKey(executor, table, key);
  for (const long of spec.longNames) await recordLongName(executor, long);
  return { tag };
}

/** LIKE becomes columns: names, types, NOT NULL, keys of distribution and sorting; defaults only when asked for. */
async function expand(executor: Executor, spec: Spec): Promise<{ columns: ColumnSpec[]; attributes: TableAttributes }> {
  const columns: ColumnSpec[] = [];
  for (const item of spec.items) {
    if ('type' in item) {
      columns.push(item);
      continue;
    }
    if (Object.keys(spec.attributes).length > 0)
      throw unsupported('distribution and sort attributes cannot be combined with LIKE');
    const parent = await demandTable(executor, item.parent);
    for (const column of parent.columns) {
      if (column.identity !== undefined) throw unverified('LIKE of a table with an IDENTITY column');
      columns.push({
        name: column.name,
        type: column.type,
        notNull: column.notNull,
        ...(item.defaults && column.defaultSql !== undefined ? { defaultSql: column.defaultSql } : {}),
        encode: column.encode,
        distkey: column.distkey,
        sortkey: column.sortkey > 0,
        primary: false,
        unique: false,
      });
    }
  }
  return { columns, attributes: spec.attributes };
}

function keysOf(columns: readonly ColumnSpec[], keys: readonly KeySpec[]): KeySpec[] {
  const found = [...keys];
  for (const column of columns) {
    if (column.primary) found.push({ kind: 'PRIMARY KEY', columns: [column.name] });
    if (column.unique) found.push({ kind: 'UNIQUE', columns: [column.name] });
    if (column.references !== undefined) {
      found.push({ kind: 'FOREIGN KEY', columns: [column.name], references: column.references });
    }
  }
  return found;
}

function validate(columns: ColumnSpec[], keys: readonly KeySpec[], attributes: TableAttributes): void {
  if (columns.length > MOST_COLUMNS) throw new SqlError('54011', `tables can have at most ${MOST_COLUMNS} columns`);
  const byName = new Map<string, ColumnSpec>();
  for (const column of columns) {
    if (byName.has(column.name)) throw new SqlError('42701', `column "${column.name}" specified more than once`);
    byName.set(column.name, column);
  }
  const demand = (name: string): ColumnSpec => {
    const column = byName.get(name);
    if (column === undefined) throw new SqlError('42703', `column "${name}" named in key does not exist`);
    return column;
  };
  if (keys.filter((key) => key.kind === 'PRIMARY KEY').length > 1) {
    throw new SqlError('42P16', 'multiple primary keys for table are not allowed');
  }
  for (const key of keys) for (const name of key.columns) if (key.kind === 'PRIMARY KEY') demand(name).notNull = true;
  for (const key of keys) key.columns.forEach(demand);
  if (attributes.distkey !== undefined) {
    refuseKey(attributes.distkey, demand(attributes.distkey).type);
    demand(attributes.distkey).distkey = true;
  }
  for (const name of attributes.sortkey ?? []) refuseKey(name, demand(name).type);
  const distkeys = columns.filter((column) => column.distkey).length;
  if (distkeys > 1) throw new SqlError('42P16', 'only one DISTKEY column can be specified');
  if (attributes.diststyle === 'key' && distkeys === 0)
    throw new SqlError('42P16', 'DISTSTYLE KEY needs a DISTKEY column');
  if (distkeys > 0 && attributes.diststyle !== undefined && attributes.diststyle !== 'key') {
    throw new SqlError('42P16', `cannot specify DISTKEY with DISTSTYLE ${attributes.diststyle.toUpperCase()}`);
  }
}

/** Keeps what PostgreSQL has no place for, by column number, so that renaming a column does not lose it. */
async function record(
  executor: Executor,
  table: Table,
  specs: ColumnSpec[],
  attributes: TableAttributes,
): Promise<void> {
  const rows = table.columns.map((column, i) => {
    const spec = specs[i] as ColumnSpec;
    const listed = (attributes.sortkey ?? []).indexOf(column.name) + 1;
    const sortkey = listed || (spec.sortkey ? specs.slice(0, i + 1).filter((one) => one.sortkey).length : 0);
    return `(${table.relid}, ${column.attnum}, ${literal(spec.encode ?? 'none')}, ${spec.distkey}, ${sortkey})`;
  });
  await executor.query(`INSERT INTO redshift_double.column_meta VALUES ${rows.join(', ')}`);
}

/** Lists a key in the catalogue. Nothing enforces it (rule 41). */
export async function recordKey(executor: Executor, table: Table, key: KeySpec, name?: string): Promise<void> {
  const attnums = key.columns.map((wanted) => table.columns.find((column) => column.name === wanted)?.attnum ?? 0);
  const suffix = { 'PRIMARY KEY': 'pkey', UNIQUE: 'key', 'FOREIGN KEY': 'fkey' }[key.kind];
  const shown = name ?? `${table.name.name}_${key.kind === 'PRIMARY KEY' ? '' : `${key.columns[0]}_`}${suffix}`;
  await executor.query(
    `INSERT INTO redshift_double.key_meta VALUES (${table.relid}, ${literal(shown)}, ${literal(key.kind)}, ` +
      `ARRAY[${attnums.join(',')}]::int[], ${key.references === undefined ? 'NULL' : literal(key.references)})`,
  );
}

export async function recordLongName(executor: Executor, short: string): Promise<void> {
  await executor.query(`SELECT redshift_double.keep_long_name(${literal(short)}, ${literal(shownName(short))})`);
}

function createAs(tape: Tape, head: Omit<Spec, 'items' | 'keys' | 'attributes'>): Plan {
  tableAttributes(tape);
  tape.expect('as');
  const start = tape.mark();
  const wrapped = tape.accept('(');
  query(tape);
  if (wrapped) tape.expect(')');
  tape.finish();
  const select = tape.cut(start);
  return {
    verb: 'create table as',
    writes: true,
    run: (executor, values) =>
      executor.atomic(async () => {
        const temp = head.temporary ? 'TEMP ' : '';
        await executor.query(`CREATE ${temp}TABLE ${head.name.sql} AS ${select}`, values);
        const table = await demandTable(executor, head.name);
        await lengths(executor, table);
        return { tag: 'SELECT' };
      }),
  };
}

/** The byte lengths PostgreSQL does not know; a text of no declared length has no known Redshift type. */
async function lengths(executor: Executor, table: Table): Promise<void> {
  for (const { name, type } of table.columns) {
    if ((type.name === 'varchar' || type.name === 'char') && type.length === undefined) {
      throw unverified(`CREATE TABLE AS: column "${name}" has no declared length; cast it`);
    }
    if (type.name === 'varbyte') throw unverified('CREATE TABLE AS with a VARBYTE column');
    const spec = { name, type, notNull: false, distkey: false, sortkey: false, primary: false, unique: false };
    const rule = columnDefinition(spec).split(' CONSTRAINT ')[1];
    if (rule !== undefined) await executor.query(`ALTER TABLE ${table.name.sql} ADD CONSTRAINT ${rule}`);
  }
}
