/** One column of a batch in the plain type it is written with, value by value the same. */
import { type Data, DataType, Vector, makeData, util } from 'apache-arrow';
import { isNull as isNullAt } from '../column/position-text.js';
import { valueBytes } from '../column/redshift-limits.js';
import { layoutOf } from './arrow-cut.js';
import { gathered, plainBytes } from './plain-bytes.js';
import { type Lost, plainNumbers } from './plain-numbers.js';

/** `data` as a column of type `to`; `lost` hears of each row that `to` cannot hold. */
export function plainColumn(data: Data, rows: number, to: DataType, lost: Lost): Data {
  const from = data.type as DataType;
  if (isSame(from, to)) return data;
  const isNull = (row: number): boolean => isNullAt(data, row);
  if (DataType.isDictionary(from)) return lookedUp(data, rows, to, lost);
  const validity = { nullCount: data.nullCount, nullBitmap: data.nullCount > 0 ? data.nullBitmap : undefined };
  const common = { type: to, length: rows, ...validity };
  if (DataType.isUtf8(to) || DataType.isBinary(to)) {
    return makeData({ ...common, ...plainBytes(data, rows, isNull) } as never);
  }
  return makeData({ ...common, data: plainNumbers(data, rows, to, isNull, lost) } as never);
}

/** Every batch is decoded with types of its own, so equal ones are not the same object. */
function isSame(from: DataType, to: DataType): boolean {
  if (!DataType.isDecimal(from) || !DataType.isDecimal(to)) return util.compareTypes(from, to);
  return from.bitWidth === to.bitWidth;
}

/** A dictionary column with the values in the place of their numbers. */
function lookedUp(data: Data, rows: number, to: DataType, lost: Lost): Data {
  const spoilt = new Map<number, string>();
  const words = dictionaryOf(data, to, (entry, why) => spoilt.set(entry, why));
  const numbers = data.values as unknown as Int32Array | BigInt64Array;
  const entries = new Int32Array(rows);
  const nullBitmap = new Uint8Array((rows + 7) >> 3);
  let nullCount = 0;
  for (let row = 0; row < rows; row += 1) {
    const entry = Number(numbers[row] ?? 0);
    if (isNullAt(data, row) || !(entry >= 0 && entry < words.length) || isNullAt(words, entry)) {
      nullCount += 1;
      entries[row] = -1;
      continue;
    }
    entries[row] = entry;
    nullBitmap[row >> 3] = (nullBitmap[row >> 3] ?? 0) | (1 << (row & 7));
    const why = spoilt.get(entry);
    if (why !== undefined) lost(row, why);
  }
  const common = { type: to, length: rows, nullCount, nullBitmap };
  return makeData({ ...common, ...taken(words, to, entries) } as never);
}

/** The values of the dictionary as one column; a dictionary that grew has several parts. */
function dictionaryOf(data: Data, to: DataType, lost: Lost): Data {
  const parts = (data.dictionary ?? new Vector([])).data as readonly Data[];
  let before = 0;
  const plain = parts.map((part) => {
    const start = before;
    before += part.length;
    return plainColumn(part, part.length, to, (row, why) => lost(start + row, why));
  });
  const [only] = plain;
  if (plain.length === 1 && only) return only;
  const places = plain.flatMap((part) => Array.from({ length: part.length }, (_, row) => ({ part, row })));
  const nullBitmap = new Uint8Array((before + 7) >> 3);
  places.forEach(({ part, row }, entry) => {
    if (!isNullAt(part, row)) nullBitmap[entry >> 3] = (nullBitmap[entry >> 3] ?? 0) | (1 << (entry & 7));
  });
  const common = { type: to, length: before, nullCount: -1, nullBitmap };
  return makeData({ ...common, ...valuesAt(places, to) } as never);
}

interface Place {
  part: Data;
  row: number;
}

function taken(words: Data, to: DataType, entries: Int32Array): object {
  return valuesAt(
    Array.from(entries, (entry) => (entry < 0 ? undefined : { part: words, row: entry })),
    to,
  );
}

/** The buffers of a column whose values lie in other columns; a place of undefined is NULL. */
function valuesAt(places: readonly (Place | undefined)[], to: DataType): object {
  const layout = layoutOf(to);
  if (layout?.kind === 'variable') {
    const nothing = new Uint8Array(0);
    return gathered(places.length, (row) => {
      const place = places[row];
      return place ? valueBytes(place.part, place.row) : nothing;
    });
  }
  if (layout?.kind === 'bits') {
    const bits = new Uint8Array((places.length + 7) >> 3);
    places.forEach((place, row) => {
      const byte = place ? ((place.part.values as unknown as Uint8Array)[place.row >> 3] ?? 0) : 0;
      bits[row >> 3] = (bits[row >> 3] ?? 0) | (((byte >> ((place?.row ?? 0) & 7)) & 1) << (row & 7));
    });
    return { data: bits };
  }
  const width = layout?.width ?? 0;
  const bytes = new Uint8Array(places.length * width);
  places.forEach((place, row) => {
    if (!place) return;
    const { buffer, byteOffset } = place.part.values as unknown as Uint8Array;
    bytes.set(new Uint8Array(buffer, byteOffset + place.row * width, width), row * width);
  });
  const Values = to.ArrayType as new (buffer: ArrayBuffer) => ArrayBufferView;
  return { data: new Values(bytes.buffer) };
}
