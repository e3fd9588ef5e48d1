/**
 * A MySQL column, from the catalogue or from a result set. One text, the type as COLUMN_TYPE prints it, says
 * everything; what a result set tells (type code, flags, lengths: reference/mysql.md 1.2) is turned into that text.
 */
import { Failure } from '../errors.js';

export interface MysqlColumn {
  /** `schema.table`, or the name given to a query; for messages. */
  table: string;
  name: string;
  /** As COLUMN_TYPE prints it (`bigint(20) unsigned`), `json` also where MariaDB says longtext. */
  type: string;
  nullable: boolean;
  /** Character set of the stored text; null for everything that is not text. */
  charset: string | null;
}

/** COLUMN_TYPE taken apart. */
export interface MysqlType {
  /** Lower case, without what stands in parentheses: `decimal`, `enum`. */
  base: string;
  /** The numbers in parentheses; empty where there are none or where they are labels. */
  args: readonly number[];
  unsigned: boolean;
  zerofill: boolean;
}

const TYPE = /^([a-z][a-z0-9_]*)(?:\(((?:[^')]|'(?:[^'\\]|''|\\.)*')*)\))?(.*)$/is;

/** Takes a COLUMN_TYPE apart; comments of MariaDB (`COMPRESSED`) and what follows the type are left out. */
export function mysqlType(columnType: string): MysqlType {
  const [, base = '', inner = '', rest = ''] = TYPE.exec(columnType.trim()) ?? [];
  const words = rest
    .replace(/\/\*.*?\*\//gs, ' ')
    .toLowerCase()
    .split(/\s+/);
  return {
    base: base.toLowerCase(),
    args: /^[0-9, ]+$/.test(inner) ? inner.split(',').map(Number) : [],
    unsigned: words.includes('unsigned') || words.includes('zerofill'),
    zerofill: words.includes('zerofill'),
  };
}

/** A row of information_schema.columns, its names in lower case. */
export interface CatalogueColumn {
  column_name: string;
  column_type: string;
  is_nullable: string;
  character_set_name: string | null;
}

/**
 * A column as the catalogue describes it.
 * @param json the column is MariaDB's JSON: a longtext whose CHECK constraint is json_valid() of itself
 */
export function columnOfCatalogue(table: string, row: CatalogueColumn, json = false): MysqlColumn {
  return {
    table,
    name: row.column_name,
    type: json ? 'json' : row.column_type,
    nullable: row.is_nullable.toUpperCase() !== 'NO',
    charset: row.character_set_name,
  };
}

/** What mysql2 tells of a column of a result set. */
export interface ResultField {
  name: string;
  /** Empty for a computed column. */
  orgTable?: string;
  columnType?: number;
  flags: number | readonly string[];
  columnLength?: number;
  decimals: number;
  /** Character set number: 63 is bytes, anything else the connection's. */
  characterSet?: number;
  extendedTypeName?: string | undefined;
  extendedFormat?: string | undefined;
}

const FLAG = { notNull: 1, unsigned: 32, zerofill: 64, enum: 256, set: 2048 } as const;
const BYTES = 63;

/**
 * A column of a query, as its result set describes it. The size of a text is known in bytes of utf8mb4, four a
 * character; an ENUM or SET comes without its labels, as text of its widest label. NOT NULL is believed for plain
 * columns only: the server loses it in expressions and outer joins.
 */
export function columnOfField(table: string, field: ResultField): MysqlColumn {
  const flags = typeof field.flags === 'number' ? field.flags : 0;
  const type = typeOfField(table, field, flags);
  const text = /^(?:char|varchar|tinytext|text|mediumtext|longtext)\b/.test(type);
  return {
    table,
    name: field.name,
    type,
    nullable: !(flags & FLAG.notNull && field.orgTable),
    charset: text ? 'utf8mb4' : null,
  };
}

const INTEGERS: Readonly<Record<number, string>> = {
  1: 'tinyint',
  2: 'smallint',
  3: 'int',
  8: 'bigint',
  9: 'mediumint',
};
const TEMPORAL: Readonly<Record<number, string>> = { 7: 'timestamp', 11: 'time', 12: 'datetime' };
const PLAIN: Readonly<Record<number, string>> = { 10: 'date', 13: 'year(4)', 14: 'date', 245: 'json', 255: 'geometry' };

function typeOfField(table: string, field: ResultField, flags: number): string {
  const code = field.columnType ?? -1;
  const length = field.columnLength ?? 0;
  const sign = `${flags & FLAG.unsigned ? ' unsigned' : ''}${flags & FLAG.zerofill ? ' zerofill' : ''}`;
  if (field.extendedTypeName)
    return field.extendedTypeName === 'vector' ? `vector(${length / 4})` : field.extendedTypeName;
  if (field.extendedFormat === 'json') return 'json';
  const integer = INTEGERS[code];
  if (integer) return `${integer}(${length})${sign}`;
  const temporal = TEMPORAL[code];
  if (temporal) return field.decimals > 0 && field.decimals <= 6 ? `${temporal}(${field.decimals})` : temporal;
  const plain = PLAIN[code];
  if (plain) return plain;
  if (code === 4 || code === 5) return `${code === 4 ? 'float' : 'double'}${shown(field, length)}${sign}`;
  if (code === 16) return `bit(${length})`;
  if (code === 242) return `vector(${length / 4})`;
  if (code === 246) {
    const precision = length - (field.decimals > 0 ? 1 : 0) - (flags & FLAG.unsigned ? 0 : 1);
    return `decimal(${precision},${field.decimals})${sign}`;
  }
  if ((code >= 247 && code <= 254) || code === 15) return stringType(code, field.characterSet === BYTES, length, flags);
  throw new Failure(
    'config',
    `${table}: column \`${field.name}\` has type number ${code}, which nothing here can read`,
    {
      hint:
        code === 6
          ? `Give it a type: CAST(NULL AS CHAR) AS \`${field.name}\`.`
          : 'Cast it to CHAR or BINARY in the query.',
    },
  );
}

/** FLOAT(M,D) and DOUBLE(M,D); 31 decimals mean that none were declared. */
function shown(field: ResultField, length: number): string {
  return field.decimals < 31 ? `(${length},${field.decimals})` : '';
}

const TEXT_SIZES = ['tiny', '', 'medium', 'long'] as const;
const BLOB_BYTES = [255, 65_535, 16_777_215] as const;

function stringType(code: number, bytes: boolean, length: number, flags: number): string {
  const width = bytes ? length : Math.floor(length / 4);
  const labels = (flags & (FLAG.enum | FLAG.set)) !== 0;
  if (code >= 249 && code <= 252) {
    const size = BLOB_BYTES.findIndex((limit) => width <= limit);
    return `${TEXT_SIZES[size < 0 ? 3 : size] ?? ''}${bytes ? 'blob' : 'text'}`;
  }
  const fixed = code === 254 && !labels;
  return `${bytes ? (fixed ? 'binary' : 'varbinary') : fixed ? 'char' : 'varchar'}(${width})`;
}
