/**
 * Keyset conditions in the expanded OR form, the only one that reads exactly as many rows as it returns
 * (reference/mysql.md 2.1). Values are bound; a type that a text would not be compared as is cast to its own.
 */
import { mysqlType } from '../column/mysql-column.js';
import type { Position } from '../end-record.js';
import { Failure } from '../errors.js';
import { quotedName } from './identifier.js';

export interface KeyColumn {
  name: string;
  /** As COLUMN_TYPE prints it. */
  type: string;
}

export interface Condition {
  sql: string;
  values: readonly string[];
}

export const ALWAYS: Condition = { sql: 'TRUE', values: [] };

/**
 * Rows on one side of a position. A position with fewer values than columns stands for all rows that begin with
 * it: `>` and `<` leave them out, `>=` and `<=` take them in.
 */
export function beside(
  columns: readonly KeyColumn[],
  operator: '>' | '>=' | '<' | '<=',
  position: Position,
): Condition {
  if (position.length === 0 || position.length > columns.length) {
    const names = columns.map(({ name }) => name).join(', ');
    throw new Failure('usage', `a position of ${position.length} values does not fit the cursor (${names})`, {
      hint: 'Give what `wm get --format cursor` prints, with the same --cursor as before.',
    });
  }
  const strict = operator.startsWith('>') ? '>' : '<';
  const whole = position.length - 1;
  const values: string[] = [];
  const arms = position.map((_, last) => {
    const terms = position.slice(0, last + 1).map((value, index) => {
      const column = columns[index] as KeyColumn;
      values.push(bound(column, value));
      const sign = index < last ? '=' : last === whole ? operator : strict;
      return `${quotedName(column.name)} ${sign} ${placeholder(column)}`;
    });
    return terms.length === 1 ? String(terms[0]) : `(${terms.join(' AND ')})`;
  });
  return { sql: arms.length === 1 ? String(arms[0]) : `(${arms.join(' OR ')})`, values };
}

/** Rows after a position that a reader came to: exclusive when it is a whole one, inclusive when it is a prefix. */
export function after(columns: readonly KeyColumn[], position: Position | null): Condition {
  if (position === null) return ALWAYS;
  return beside(columns, position.length < columns.length ? '>=' : '>', position);
}

/** All of the conditions at once. */
export function every(conditions: readonly Condition[]): Condition {
  const needed = conditions.filter((one) => one !== ALWAYS);
  if (needed.length === 0) return ALWAYS;
  return { sql: needed.map(({ sql }) => sql).join(' AND '), values: needed.flatMap(({ values }) => values) };
}

const INTEGERS = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year']);
const BYTES = new Set(['binary', 'varbinary']);
const TIMES = new Set(['date', 'datetime', 'timestamp']);

const DATE_AND_TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?$/;

/** A text beside a DECIMAL would be compared as a double; bytes travel in hexadecimal. */
function placeholder({ type }: KeyColumn): string {
  const { base, args } = mysqlType(type);
  if (base === 'decimal') return `CAST(? AS DECIMAL(${args[0] ?? 10},${args[1] ?? 0}))`;
  return BYTES.has(base) ? 'UNHEX(?)' : '?';
}

/** The value as its placeholder wants it; 64 for a text that is no value of the column. */
function bound({ name, type }: KeyColumn, value: string): string {
  const { base } = mysqlType(type);
  const hex = BYTES.has(base) ? /^0x((?:[0-9a-f]{2})*)$/i.exec(value)?.[1] : undefined;
  const wrong =
    (INTEGERS.has(base) && !/^-?[0-9]+$/.test(value)) ||
    (base === 'decimal' && !/^-?[0-9]+(?:\.[0-9]+)?$/.test(value)) ||
    (TIMES.has(base) && !DATE_AND_TIME.test(value)) ||
    (BYTES.has(base) && hex === undefined);
  if (wrong) {
    throw new Failure('usage', `the position value ${JSON.stringify(value)} is not a ${type} (column ${name})`, {
      hint: 'Give what `wm get --format cursor` prints, with the same --cursor as before.',
    });
  }
  return hex ?? value;
}
