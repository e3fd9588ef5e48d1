/**
 * How a value of one Redshift type gets into a column of another: as it is, under the server's own check, or by a
 * cast somebody has to ask for because it can lose something. COPY itself converts nothing: the staging table has
 * the types of the file (reference/redshift.md 1.3), and the INSERT behind it does the rest.
 */
import { type Conversion, type Fit, type Parts, decimalFit, integerFit, isDecimal, isInteger, partsOf } from './fit.js';
import { fromStaging, type RedshiftType } from './to-redshift.js';

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
  const name = ALIASES[base] ?? base;
  return name === 'DECIMAL' && args === '' ? 'DECIMAL(18,0)' : `${name}${args.replaceAll(' ', '')}`;
}

const SIZED = new Set(['varchar', 'varbyte']);

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

function castFrom(from: Parts, target: string): (column: string) => string {
  if (target === 'SUPER') return (column) => `JSON_PARSE(${column})`;
  if (target === 'BOOLEAN' && isInteger(from)) return (column) => `(${column} <> 0)`;
  return (column) => `CAST(${column} AS ${target})`;
}

function fitOf(from: Parts, to: Parts): Fit {
  if (isInteger(from)) return integerFit(from, to);
  if (isDecimal(from) && isDecimal(to)) return decimalFit(from, to);
  if (from.base === 'real' && to.base === 'double precision') return 'lossless';
  return from.base === 'date' && to.base === 'timestamp' ? 'lossless' : 'cast';
}
