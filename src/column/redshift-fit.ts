/**
 * How a value of one Redshift type gets into a column of another: as it is, under the server's own check, or by a
 * cast somebody has to ask for because it can lose something. COPY itself converts nothing: the staging table has
 * the types of the file (reference/redshift.md 1.3), and the INSERT behind it does the rest.
 */
import { fromStaging, type RedshiftType } from './to-redshift.js';

/** `checked`: the server refuses a value that does not fit; nothing is lost in silence. */
export type Fit = 'same' | 'lossless' | 'checked' | 'cast';

export interface Conversion {
  staging: string;
  fit: Fit;
  /** From the staged column, quoted, to the value. */
  value(column: string): string;
}

const ALIASES: Readonly<Record<string, string>> = {
  'CHARACTER VARYING': 'VARCHAR',
  NVARCHAR: 'VARCHAR',
  TEXT: 'VARCHAR',
  CHARACTER: 'CHAR',
  BPCHAR: 'CHAR',
  'BINARY VARYING': 'VARBYTE',
  VARBINARY: 'VARBYTE',
  INT2: 'SMALLINT',
  INT4: 'INTEGER',
  INT: 'INTEGER',
  INT8: 'BIGINT',
  FLOAT4: 'REAL',
  FLOAT8: 'DOUBLE PRECISION',
  FLOAT: 'DOUBLE PRECISION',
  NUMERIC: 'DECIMAL',
  BOOL: 'BOOLEAN',
  'TIMESTAMP WITHOUT TIME ZONE': 'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE': 'TIMESTAMPTZ',
  DATETIME: 'TIMESTAMP',
};

/** One spelling for each type: the catalogue's `character varying(5)` is `VARCHAR(5)`. */
export function canonicalRedshift(type: string): string {
  const spaced = type.trim().toUpperCase().replaceAll(/\s+/g, ' ');
  const [, base = spaced, args = ''] = /^(.*?) ?(\([0-9, ]+\))?$/.exec(spaced) ?? [];
  return `${ALIASES[base] ?? base}${args.replaceAll(' ', '')}`;
}

interface Parts {
  base: string;
  args: readonly number[];
}

function partsOf(type: string): Parts {
  const [, base = type, args] = /^([^(]*)(?:\(([0-9,]+)\))?$/.exec(type) ?? [];
  return { base, args: args === undefined ? [] : args.split(',').map(Number) };
}

const SIZED = new Set(['VARCHAR', 'VARBYTE']);
const INTEGERS = new Map([
  ['SMALLINT', 5],
  ['INTEGER', 10],
  ['BIGINT', 19],
]);

/** The way from a file's column, whose own type is `natural`, into one of type `wanted`. */
export function redshiftConversion(natural: RedshiftType, wanted: string): Conversion {
  const source = canonicalRedshift(natural.type);
  const target = canonicalRedshift(wanted);
  const { staging } = natural;
  if (source === target) return { staging, fit: 'same', value: (column) => fromStaging(natural, column) };
  // A document that goes anywhere but into SUPER is a text like any other.
  const from = partsOf(natural.json ? canonicalRedshift(staging) : source);
  const to = partsOf(target);
  if (from.base === to.base && SIZED.has(from.base)) {
    const [has = 0] = from.args;
    const [room] = to.args;
    if (room === undefined || room >= has)
      return { staging, fit: room === undefined ? 'checked' : 'lossless', value: asIs };
    // An INSERT would cut trailing blanks in silence; COPY into the narrow type refuses every value that is too long.
    return { staging: target, fit: 'checked', value: asIs };
  }
  const fit = fitOf(from, to);
  return { staging, fit, value: fit === 'cast' ? castFrom(from, target) : asIs };
}

const asIs = (column: string): string => column;

function castFrom({ base }: Parts, target: string): (column: string) => string {
  if (target === 'SUPER') return (column) => `JSON_PARSE(${column})`;
  if (target === 'BOOLEAN' && INTEGERS.has(base)) return (column) => `(${column} <> 0)`;
  return (column) => `CAST(${column} AS ${target})`;
}

function fitOf(from: Parts, to: Parts): Fit {
  const digits = INTEGERS.get(from.base);
  if (digits !== undefined) return integerFit(digits, to);
  if (from.base === 'DECIMAL' && to.base === 'DECIMAL') return decimalFit(from.args, to.args);
  if (from.base === 'REAL' && to.base === 'DOUBLE PRECISION') return 'lossless';
  if (from.base === 'DATE' && to.base === 'TIMESTAMP') return 'lossless';
  return 'cast';
}

function integerFit(digits: number, to: Parts): Fit {
  const there = INTEGERS.get(to.base);
  if (there !== undefined) return there >= digits ? 'lossless' : 'checked';
  if (to.base === 'DOUBLE PRECISION') return digits > 10 ? 'cast' : 'lossless';
  if (to.base !== 'DECIMAL') return 'cast';
  const [precision = 18, scale = 0] = to.args;
  return precision - scale >= digits ? 'lossless' : 'checked';
}

/** Fewer digits before the point are refused by the server; fewer after it would be rounded. */
function decimalFit([has = 18, after = 0]: readonly number[], [precision = 18, scale = 0]: readonly number[]): Fit {
  if (scale < after) return 'cast';
  return precision - scale >= has - after ? 'lossless' : 'checked';
}
