/**
 * How a value of one PostgreSQL type gets into a column of another: as it is, under the server's own check, or by a
 * cast that somebody has to ask for because it can lose something.
 */
import { type Conversion, type Fit, type Parts, decimalFit, integerFit, isDecimal, isInteger, partsOf } from './fit.js';
import type { PostgresType } from './to-postgres.js';

const ALIASES: Readonly<Record<string, string>> = {
  'character varying': 'varchar',
  character: 'char',
  bpchar: 'char',
  int2: 'smallint',
  int4: 'integer',
  int: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  decimal: 'numeric',
  bool: 'boolean',
};

/** One spelling for each type: `character varying(5)` is `varchar(5)`, `timestamp without time zone` is `timestamp`. */
export function canonicalType(type: string): string {
  const spaced = type.trim().toLowerCase().replaceAll(/\s+/g, ' ');
  const [, base = '', args = '', zone = ''] =
    /^([a-z0-9_ ]*?) ?(\([0-9, ]+\))?( with time zone| without time zone)?$/.exec(spaced) ?? [];
  if (base === '') return spaced;
  const name = `${ALIASES[base] ?? base}${zone === ' with time zone' && !base.endsWith('tz') ? 'tz' : ''}`;
  return `${name}${args.replaceAll(' ', '')}`;
}

/** The way from a file's column into one of type `wanted`. */
export function conversion(from: PostgresType, wanted: string): Conversion {
  const source = canonicalType(from.type);
  const target = canonicalType(wanted);
  if (source === target) {
    const value = (column: string): string => (from.staging === from.type ? column : `${column}::${from.type}`);
    return { staging: from.staging, fit: 'same', value };
  }
  const to = partsOf(target);
  // Documents and addresses arrive as text, so a text column takes them as MySQL printed them.
  if (/^(?:jsonb|uuid|inet)$/.test(source) || from.staging !== from.type) {
    if (isText(to))
      return { staging: 'text', fit: to.args.length > 0 ? 'checked' : 'lossless', value: (column) => column };
    if (target === 'json' && source === 'jsonb') return { staging: 'text', fit: 'lossless', value: castTo('json') };
    return { staging: 'text', fit: 'cast', value: castTo(target) };
  }
  const fit = fitOf(partsOf(source), to);
  const value = fit === 'cast' ? castFrom(partsOf(source), target) : (column: string): string => column;
  return { staging: from.staging, fit, value };
}

const castTo = (target: string) => (column: string) => `${column}::${target}`;

function castFrom(from: Parts, target: string): (column: string) => string {
  // There is no cast from smallint to boolean, and an explicit one to varchar(n) would cut in silence.
  if (target === 'boolean' && isInteger(from)) return (column) => `(${column} <> 0)`;
  return /^(?:var)?char\b/.test(target) ? castTo('text') : castTo(target);
}

function isText({ base }: Parts): boolean {
  return base === 'text' || base === 'varchar' || base === 'char';
}

function fitOf(from: Parts, to: Parts): Fit {
  if (isInteger(from)) return integerFit(from, to);
  if (isDecimal(from) && isDecimal(to)) return decimalFit(from, to);
  if (from.base === 'real' && to.base === 'double precision') return 'lossless';
  if (from.base === 'date' && to.base.startsWith('timestamp')) return to.base === 'timestamp' ? 'lossless' : 'cast';
  if (from.base === to.base && from.base.startsWith('time')) {
    return (to.args[0] ?? 6) >= (from.args[0] ?? 6) ? 'lossless' : 'cast';
  }
  if (!isText(from) || !isText(to)) return 'cast';
  const [most] = to.args;
  if (most === undefined && to.base !== 'char') return 'lossless';
  return from.args[0] !== undefined && from.args[0] <= (most ?? 1) ? 'lossless' : 'checked';
}
