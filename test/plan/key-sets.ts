/** Random tables for plans of shards: primary keys of every kind, each with rows that come later. */
import type { Random } from '../torture/random.js';

export interface KeySet {
  /** Columns and primary key, for CREATE TABLE. */
  definition: string;
  /** The rows, as many as asked for or fewer: keys that fall together are one row. */
  rows: readonly (readonly unknown[])[];
  /** More of them: the ends of the type's range, and keys between the others. */
  late: readonly (readonly unknown[])[];
}

const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 63n - 1n;

function many<Value>(count: number, make: (index: number) => Value): Value[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** A whole number with 64 random bits. */
function wide(random: Random): bigint {
  return (BigInt(random.whole(0, 0xffff_ffff)) << 32n) | BigInt(random.whole(0, 0xffff_ffff));
}

/** A few clusters far apart, of very different sizes. */
function skewed(random: Random, count: number): KeySet {
  const clusters = many(random.whole(1, 5), () => ({
    start: (wide(random) >> 2n) - 2n ** 61n,
    step: BigInt(random.whole(1, 3)),
    weight: random.fraction() ** 4 + 0.01,
  }));
  const weights = clusters.map((cluster) => [cluster.weight, cluster] as const);
  const key = (index: number): [string] => {
    const { start, step } = random.weighted(weights);
    return [String(start + step * BigInt(index))];
  };
  const ends = [SMALLEST, SMALLEST + 1n, -1n, 0n, LARGEST].map((end) => [String(end)]);
  return {
    definition: 'k BIGINT PRIMARY KEY',
    rows: many(count, key),
    late: [...ends, ...many(100, key), ...many(100, () => [String(wide(random) + SMALLEST)])],
  };
}

/** Keys all over the range of 64 bits, most of which no double can hold. */
function sparse(random: Random, count: number): KeySet {
  const key = (): [string] => [String(wide(random))];
  const ends = [['0'], ['18446744073709551615']];
  return { definition: 'k BIGINT UNSIGNED PRIMARY KEY', rows: many(count, key), late: [...ends, ...many(200, key)] };
}

type Part = readonly [type: string, make: (random: Random) => unknown, ends: readonly unknown[]];

const PARTS: readonly Part[] = [
  ['INT', (random) => Math.floor(random.fraction() ** 6 * 50), [-2147483648, 2147483647]],
  ['VARCHAR(12)', (random) => random.pick(['', 'a', 'B', 'ß', 'zz']) + random.whole(0, 30), ['', '\u{10ffff}']],
  ['DECIMAL(30,10)', (random) => `${wide(random)}.${random.whole(0, 9)}`, ['-9'.padEnd(21, '9'), '9'.repeat(20)]],
  ['DATE', (random) => `20${random.whole(10, 29)}-0${random.whole(1, 9)}-11`, ['1000-01-01', '9999-12-31']],
  ['DATETIME(6)', (random) => `2024-01-01 00:00:00.${random.whole(100_000, 999_999)}`, ['1000-01-01', '9999-12-31']],
  ['VARBINARY(6)', (random) => Buffer.from(random.letters(4)), [Buffer.alloc(0), Buffer.alloc(6, 255)]],
  ['TINYINT UNSIGNED', (random) => random.whole(3, 5), [0, 255]],
];

/** Two to four columns; the first has few values, and one of them most of the rows. */
function composite(random: Random, count: number): KeySet {
  const skew: Part = ['SMALLINT', () => Math.floor(random.fraction() ** 5 * 8), [-32768, 32767]];
  const parts = [skew, ...many(random.whole(1, 3), () => random.pick(PARTS))];
  const key = (): unknown[] => parts.map(([, make]) => make(random));
  const ends = [0, 1].map((end) => parts.map((part) => part[2][end]));
  const columns = parts.map(([type], index) => `k${index} ${type} NOT NULL`).join(', ');
  const names = parts.map((_, index) => `k${index}`).join(', ');
  return {
    definition: `${columns}, PRIMARY KEY (${names})`,
    rows: many(count, key),
    late: [...ends, ...many(200, key)],
  };
}

const COLLATIONS = [
  ...['utf8mb4_general_ci', 'utf8mb4_bin', 'utf8mb4_unicode_ci', 'latin1_swedish_ci', 'latin1_german2_ci'],
  ...['ascii_bin', 'ucs2_general_ci', 'sjis_japanese_ci'],
];
const PIECES = ['', 'a', 'A', 'b', 'zz', '0', ' ', "'", '\\', '"', '%', '_', '~', '\t'];

/** Texts in a collation, of which many begin alike; some differ in case or in spaces at their end only. */
function texts(random: Random, count: number): KeySet {
  const collation = random.pick(COLLATIONS);
  const beginning = random.chance(0.5) ? 'customer/2024/' : '';
  const pieces = /^utf8|^ucs2/.test(collation) ? [...PIECES, 'ä', 'ß', 'é', 'Ω', '日'] : PIECES;
  const key = (): [string] => [beginning + many(random.whole(0, 6), () => random.pick(pieces)).join('')];
  const [charset] = collation.split('_');
  return {
    definition: `k VARCHAR(60) CHARACTER SET ${charset} COLLATE ${collation} PRIMARY KEY`,
    rows: many(count, key),
    late: [[''], ['~~~~~'], ['\x01'], ...many(200, key)],
  };
}

/** UUIDs of versions 1, 4 and 7, in each way of storing them. */
function uuids(random: Random, count: number, mariadb: boolean): KeySet {
  const version = random.pick([1, 4, 7]);
  const hex = (digits: number): string => wide(random).toString(16).padStart(16, '0').slice(0, digits);
  const begun = random.whole(0, 0xffff_0000);
  const time = (index: number): string => (begun + index * 3).toString(16).padStart(8, '0');
  const key = (index: number): string =>
    ({
      1: `${time(index)}-9c2e-11ef-8f1a-0242ac12000${random.whole(2, 4)}`,
      4: `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
      7: `${time(index)}-${hex(4)}-7${hex(3)}-8${hex(3)}-${hex(12)}`,
    })[version] ?? '';
  const [type, stored] = random.pick<readonly [string, (uuid: string) => unknown]>([
    ['CHAR(36) CHARACTER SET ascii', (uuid) => uuid],
    ['BINARY(16)', (uuid) => Buffer.from(uuid.replaceAll('-', ''), 'hex')],
    ...(mariadb ? [['UUID', (uuid: string) => uuid] as const] : []),
  ]);
  const ends = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'];
  const late = [...ends, ...many(200, (index) => key(random.whole(0, 2 * count + index)))];
  return {
    definition: `k ${type} PRIMARY KEY`,
    rows: many(count, (index) => [stored(key(index))]),
    late: late.map((uuid) => [stored(uuid)]),
  };
}

export const KINDS: Readonly<Record<string, (random: Random, count: number, mariadb: boolean) => KeySet>> = {
  skewed,
  sparse,
  composite,
  text: texts,
  UUID: uuids,
};
