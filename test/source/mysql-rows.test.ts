import fc from 'fast-check';
import t from 'tap';
import { ndjsonLines } from '../../src/codec/ndjson-lines.js';
import { type Policies, columnPlan } from '../../src/column/from-mysql.js';
import type { PacketRows } from '../../src/source/mysql-packets.js';
import { MysqlRows } from '../../src/source/mysql-rows.js';

type Value = string | Uint8Array | null;

const TYPES = ['int', 'varchar(999)', 'bigint', 'varbinary(999)', 'decimal(12,2)', 'date', 'datetime(6)', 'text'];

function encoded(value: Value): Buffer {
  if (value === null) return Buffer.of(0xfb);
  const bytes = Buffer.from(value as string);
  if (bytes.length < 0xfb) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  return Buffer.concat([Buffer.of(0xfc, bytes.length & 0xff, bytes.length >> 8), bytes]);
}

/** Rows as they lie in a chunk: in the middle of other bytes, with a header before each. */
function packets(rows: readonly (readonly Value[])[]): PacketRows {
  const starts: number[] = [];
  const ends: number[] = [];
  const parts = [Buffer.from('before')];
  let at = 6;
  for (const row of rows) {
    const bytes = Buffer.concat(row.map(encoded));
    parts.push(Buffer.alloc(4), bytes);
    starts.push(at + 4);
    ends.push((at += 4 + bytes.length));
  }
  const bytes = Buffer.concat(parts);
  return { bytes, starts: Int32Array.from(starts), ends: Int32Array.from(ends), count: rows.length };
}

function decoded(rows: readonly (readonly Value[])[], types: readonly string[], policies: Policies, atOnce: number) {
  const names = types.map((_, index) => `c${index}`);
  const plans = types.map((type, index) =>
    columnPlan({ table: 's.t', name: names[index] ?? '', type, nullable: true, charset: null }, policies),
  );
  const limits = { rows: 37, bytes: 1 << 16 };
  const taker = new MysqlRows({ table: 's.t', plans, position: [], key: [0], names, limits });
  const lines: string[] = [];
  const take = (): void => {
    const batch = taker.take();
    if (!batch) return;
    for (const chunk of ndjsonLines(batch.batch)) lines.push(...chunk.trimEnd().split('\n'));
    batch.release();
  };
  for (let from = 0; from < rows.length; from += atOnce) {
    const some = packets(rows.slice(from, from + atOnce));
    for (let done = 0; ; ) {
      done += taker.add(some, done);
      if (done === some.count) break;
      take();
    }
    some.bytes.fill(0xff);
  }
  take();
  return lines;
}

const FAIL: Policies = { zeroDates: 'fail', badValues: 'fail' };
const NULLS: Policies = { zeroDates: 'null', badValues: 'null' };

const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ minLength: 240, maxLength: 300 }));
const row = fc.tuple(
  fc.option(fc.integer().map(String)),
  fc.option(text),
  fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
  fc.option(fc.uint8Array({ maxLength: 300 })),
  fc.option(fc.integer().map((n) => (n / 100).toFixed(2))),
  fc.constantFrom('2024-02-29', '1000-01-01', '9999-12-31', '0000-00-00', '2024-02-31', '2023-11-09', null),
  fc.constantFrom('2024-02-29 23:59:59.999999', '1000-01-01 00:00:00.000001', '0000-00-00 00:00:00.000000', null),
  fc.option(fc.oneof(text, fc.uint8Array({ maxLength: 9 }))),
);

t.test('rows taken many at once are the rows taken one by one', async () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 120 }), fc.integer({ min: 2, max: 120 }), (rows, atOnce) => {
      const many = decoded(rows, TYPES, NULLS, atOnce);
      return many.length === rows.length && many.join('\n') === decoded(rows, TYPES, NULLS, 1).join('\n');
    }),
    { numRuns: 150 },
  );
});

t.test('text that is valid only together with its neighbour is refused, by its own row', async (t) => {
  const types = ['int', 'varchar(9)'];
  const halves = [
    ['1', 'caf'],
    ['2', Buffer.of(0xc3)],
    ['3', Buffer.of(0xa9)],
    ['4', ''],
    ['5', null],
    ['6', 'é'],
  ];
  t.same(decoded(halves, types, NULLS, 9), [
    '{"c0":1,"c1":"caf"}',
    '{"c0":2,"c1":null}',
    '{"c0":3,"c1":null}',
    '{"c0":4,"c1":""}',
    '{"c0":5,"c1":null}',
    '{"c0":6,"c1":"é"}',
  ]);
  const refused = { kind: 'data', message: 's.t, column `c1`, row c0=2: 0xc3 is not a value of varchar(9)' };
  t.throws(() => decoded(halves, types, FAIL, 9), refused);
  t.throws(
    () =>
      decoded(
        [
          ['1', null],
          ['2', ''],
        ].concat([
          ['3', '2'],
          ['x', 'y'],
        ]),
        types,
        FAIL,
        9,
      ),
    {
      kind: 'data',
      message: 's.t, column `c0`, row c0=x: "x" is not a value of int',
    },
  );
});

t.test('a row that does not hold its columns is no row', async (t) => {
  t.throws(() => decoded([['1', '2', '3']], ['int', 'int'], FAIL, 1), {
    kind: 'protocol',
    message: 's.t: a row of 6 bytes does not hold 2 columns',
  });
});
