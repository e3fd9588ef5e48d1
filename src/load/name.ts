/** Names in a warehouse: quoting, what the server makes of long or mixed-case ones, and names that would meet. */
import { createHash } from 'node:crypto';
import { Failure } from '../errors.js';

export interface Table {
  schema: string;
  table: string;
}

/** What a server does to a quoted name. */
export interface NameRules {
  /** Bytes kept; the rest is cut off. */
  bytes: number;
  /** ASCII letters become lower case even in quotes. */
  folds: boolean;
  /** Names no column may have. */
  refused: ReadonlySet<string>;
}

/** PostgreSQL: NAMEDATALEN - 1; system columns. */
export const POSTGRES_NAMES: NameRules = {
  bytes: 63,
  folds: false,
  refused: new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']),
};

/** Redshift: reference/redshift.md 4.7. */
export const REDSHIFT_NAMES: NameRules = {
  bytes: 127,
  folds: true,
  refused: new Set(['oid', ...POSTGRES_NAMES.refused]),
};

/** A name in double quotes; those inside are doubled. */
export function quoted(name: string): string {
  if (name === '' || name.includes('\0')) throw new Failure('usage', 'a name is empty or holds a NUL character');
  return `"${name.replaceAll('"', '""')}"`;
}

export function quotedTable({ schema, table }: Table): string {
  return `${quoted(schema)}.${quoted(table)}`;
}

/** A text in single quotes, for the places where no value can be bound. `escapes`: backslash is one (Redshift). */
export function literal(text: string, escapes = false): string {
  if (text.includes('\0')) throw new Failure('usage', 'a text holds a NUL character');
  const doubled = text.replaceAll("'", "''");
  return `'${escapes ? doubled.replaceAll('\\', '\\\\') : doubled}'`;
}

/** The name as the server stores it. */
export function storedName(rules: NameRules, name: string): string {
  const folded = rules.folds ? name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) : name;
  return cut(folded, rules.bytes);
}

/** At most `bytes` bytes of UTF-8, whole characters only. */
function cut(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name;
  let kept = '';
  for (const char of name) {
    if (Buffer.byteLength(kept + char) > bytes) break;
    kept += char;
  }
  return kept;
}

/** Columns of a file to columns of a table. 65 for two that the server would take for one, and for refused ones. */
export function storedNames(rules: NameRules, names: readonly string[]): Map<string, string> {
  const stored = new Map<string, string>();
  const taken = new Map<string, string>();
  for (const name of names) {
    const kept = storedName(rules, name);
    const other = taken.get(kept);
    if (other !== undefined) {
      throw new Failure('data', `the columns ${other} and ${name} would both be ${kept} in the warehouse`, {
        hint: 'Rename one with mysql-extract --query (SELECT … AS …), or leave one out with --columns.',
      });
    }
    if (rules.refused.has(kept)) {
      throw new Failure('data', `no column can be named ${kept}: the warehouse has one of its own by that name`, {
        hint: 'Rename it with mysql-extract --query (SELECT … AS …), or leave it out with --columns.',
      });
    }
    taken.set(kept, name);
    stored.set(name, kept);
  }
  return stored;
}

/** A table as the server stores its name; 64 when it would be cut, since the rest of the name would be lost. */
export function storedTable(rules: NameRules, { schema, table }: Table): Table {
  for (const name of [schema, table]) {
    if (Buffer.byteLength(name) <= rules.bytes) continue;
    throw new Failure('usage', `${name} is longer than the ${rules.bytes} bytes a name may have in the warehouse`, {
      hint: 'Choose a shorter one: a table whose name was cut could not be told from another.',
    });
  }
  return { schema: storedName(rules, schema), table: storedName(rules, table) };
}

/** A name made of a prefix and another name that is never cut: long ones end in a digest of themselves. */
export function derivedName(rules: NameRules, prefix: string, name: string): string {
  const whole = `${prefix}${name}`;
  if (Buffer.byteLength(whole) <= rules.bytes) return whole;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${cut(whole, rules.bytes - 9)}_${digest}`;
}
