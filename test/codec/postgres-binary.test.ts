/** Every Arrow type through a binary COPY into a real server, and back as the server prints it. */
import {
  Binary,
  Bool,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  TimestampMillisecond,
  Type,
  Uint64,
  Utf8,
  makeData,
  vectorFromArray,
  type DataType,
  type Data,
} from 'apache-arrow';
import t from 'tap';
import { postgresBinary } from '../../src/codec/postgres-binary.js';
import { binaryForm, toPostgres } from '../../src/column/to-postgres.js';
import { postgresCopy } from '../../src/sink/postgres-copy.js';
import { connectTarget } from '../support/servers.js';

interface Case {
  name: string;
  arrow: DataType;
  mysqlType?: string;
  values: readonly unknown[];
  /** As PostgreSQL prints them. */
  printed: readonly (string | null)[];
}

const decimal = (text: string): bigint => BigInt(text.replace('.', ''));

const CASES: readonly Case[] = [
  { name: 'bool', arrow: new Bool(), values: [true, false, null], printed: ['true', 'false', null] },
  { name: 'int2', arrow: new Int16(), values: [-32768, 32767, null], printed: ['-32768', '32767', null] },
  {
    name: 'int4',
    arrow: new Int32(),
    values: [-2147483648, 2147483647, 0],
    printed: ['-2147483648', '2147483647', '0'],
  },
  {
    name: 'int8',
    arrow: new Int64(),
    values: [-9223372036854775808n, 9223372036854775807n, 4294967296n],
    printed: ['-9223372036854775808', '9223372036854775807', '4294967296'],
  },
  {
    name: 'uint8',
    arrow: new Uint64(),
    values: [18446744073709551615n, 0n, null],
    printed: ['18446744073709551615', '0', null],
  },
  { name: 'real', arrow: new Float32(), values: [0.1, -3.5, null], printed: ['0.1', '-3.5', null] },
  { name: 'double', arrow: new Float64(), values: [0.1, 1e308, -0], printed: ['0.1', '1e+308', '-0'] },
  {
    name: 'date',
    arrow: new DateDay(),
    values: [0, -719162, 2932896],
    printed: ['1970-01-01', '0001-01-01', '9999-12-31'],
  },
  {
    name: 'datetime',
    arrow: new TimestampMicrosecond(),
    values: [1n, -62135596800000000n, 253402300799999999n],
    printed: ['1970-01-01 00:00:00.000001', '0001-01-01 00:00:00', '9999-12-31 23:59:59.999999'],
  },
  {
    name: 'timestamp',
    arrow: new TimestampMicrosecond('UTC'),
    values: [946684800000000n, 946684799999999n, null],
    printed: ['2000-01-01 00:00:00+00', '1999-12-31 23:59:59.999999+00', null],
  },
  {
    name: 'millis',
    arrow: new TimestampMillisecond(),
    values: [1500n, -1n, null],
    printed: ['1970-01-01 00:00:01.5', '1969-12-31 23:59:59.999', null],
  },
  { name: 'text', arrow: new Utf8(), values: ['', 'ünï\t\\N\n⛵', null], printed: ['', 'ünï\t\\N\n⛵', null] },
  {
    name: 'bytes',
    arrow: new Binary(),
    values: [Buffer.from([0, 255, 10]), Buffer.alloc(0), null],
    printed: ['\\x00ff0a', '\\x', null],
  },
  {
    name: 'json',
    arrow: new Utf8(),
    mysqlType: 'json',
    values: ['{"a":[1,null]}', '"x"', null],
    printed: ['{"a": [1, null]}', '"x"', null],
  },
  {
    name: 'uuid',
    arrow: new Utf8(),
    mysqlType: 'uuid',
    values: ['123e4567-e89b-12d3-a456-426614174000', null, 'FFFFFFFF-ffff-ffff-ffff-ffffffffffff'],
    printed: ['123e4567-e89b-12d3-a456-426614174000', null, 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  },
];

const DECIMALS: readonly { precision: number; scale: number; values: readonly string[] }[] = [
  { precision: 12, scale: 2, values: ['0.00', '-0.01', '9999999999.99', '10000.00', '1.50', '-12345.67'] },
  { precision: 6, scale: 4, values: ['0.0001', '0.1900', '-99.9999', '0.0100', '1.0000', '12.3400'] },
  {
    precision: 38,
    scale: 0,
    values: ['99999999999999999999999999999999999999', '-1', '0', '100000000', '10000', '9007199254740993'],
  },
  {
    precision: 38,
    scale: 30,
    values: [
      '12345678.000000000000000000000000000001',
      '-0.000000000000000000000000000001',
      '0.000000000000000000000000000000',
      '1.000000000000000000000000000000',
      '-99999999.999999999999999999999999999999',
      '0.500000000000000000000000000000',
    ],
  },
  {
    precision: 18,
    scale: 6,
    values: [
      '9007199254.740991',
      '-9007199254.740992',
      '9007199254.740993',
      '999999999999.999999',
      '0.000001',
      '100000.000000',
    ],
  },
];

t.test('every type arrives as the server would print it', async (t) => {
  for (const one of CASES) {
    const column = { name: 'v', nullable: true, arrow: one.arrow, mysqlType: one.mysqlType ?? null, charset: null };
    const { type, staging } = toPostgres(column);
    const data = dataOf(one.values, one.arrow);
    t.same(await roundTrip(type, staging, data), one.printed, `${one.name} as ${type}`);
  }
});

t.test('decimals keep every digit', async (t) => {
  for (const { precision, scale, values } of DECIMALS) {
    const arrow = new Decimal(scale, precision, 128);
    const words = new Uint32Array(values.length * 4);
    values.forEach((text, row) => {
      const value = BigInt.asUintN(128, decimal(text));
      for (let word = 0; word < 4; word += 1)
        words[row * 4 + word] = Number((value >> BigInt(word * 32)) & 0xffffffffn);
    });
    const data = makeData({ type: arrow, length: values.length, nullCount: 0, data: words });
    t.same(
      await roundTrip(`numeric(${precision},${scale})`, 'numeric', data),
      values,
      `numeric(${precision},${scale})`,
    );
  }
});

t.test('a NUL is refused by row, or left out', async (t) => {
  const data = vectorFromArray(['a', 'b\0c', 'd'], new Utf8()).data[0] as Data;
  await t.rejects(roundTrip('text', 'text', data), { kind: 'data', row: 1, message: /^the column v holds a NUL/ });
  t.same(await roundTrip('text', 'text', data, 'strip'), ['a', 'bc', 'd']);
});

t.test('a source that fails leaves no row behind', async (t) => {
  const client = await connectTarget();
  t.teardown(() => client.end());
  await client.query('CREATE TEMP TABLE t (v int)');
  async function* broken(): AsyncGenerator<RecordBatch> {
    yield batchOf(vectorFromArray([1, 2, 3], new Int32()).data[0] as Data);
    throw new Error('the object went away');
  }
  const chunks = postgresBinary(broken(), [{ name: 'v', form: 'int4' }], { nul: 'fail' });
  const copied = postgresCopy(client, 'COPY t FROM STDIN WITH (FORMAT binary)', chunks, new AbortController().signal);
  await t.rejects(copied, { message: 'the object went away' });
  t.same((await client.query('SELECT count(*)::int AS n FROM t')).rows, [{ n: 0 }]);
});

/** Times as the 64-bit values they are: the vector builder takes milliseconds, and days as dates. */
function dataOf(values: readonly unknown[], type: DataType): Data {
  if (type.typeId !== Type.Timestamp && type.typeId !== Type.Date)
    return vectorFromArray([...values], type).data[0] as Data;
  const present = values.map((value) => value ?? 0);
  const data =
    type.typeId === Type.Date
      ? Int32Array.from(present as number[])
      : BigInt64Array.from(present.map((value) => BigInt(value as bigint)));
  const bits = values.reduce<number>((sum, value, row) => sum | (value === null ? 0 : 1 << row), 0);
  return makeData({
    type: type as TimestampMicrosecond,
    length: values.length,
    nullCount: values.filter((value) => value === null).length,
    nullBitmap: Uint8Array.of(bits),
    data: data as BigInt64Array,
  });
}

async function roundTrip(
  type: string,
  staging: string,
  data: Data,
  nul: 'fail' | 'strip' = 'fail',
): Promise<unknown[]> {
  const client = await connectTarget();
  try {
    await client.query("SET TimeZone = 'UTC'");
    await client.query(`CREATE TEMP TABLE t (v ${type}, o bigint)`);
    // Twice: the second batch begins in the middle of its buffers.
    const batches = [batchOf(data), batchOf(data.slice(1, data.length - 1))];
    const chunks = postgresBinary(yielded(batches), [{ name: 'v', form: binaryForm(staging) }], {
      nul,
      order: { next: 0 },
    });
    await postgresCopy(client, 'COPY t FROM STDIN WITH (FORMAT binary)', chunks, new AbortController().signal);
    const { rows } = await client.query<{ v: string | null }>('SELECT v::text AS v FROM t ORDER BY o');
    const printed = rows.map(({ v }) => v);
    const second = printed.slice(data.length);
    if (JSON.stringify(second) !== JSON.stringify(printed.slice(1, data.length))) {
      throw new Error(`a slice differs: ${JSON.stringify(printed)}`);
    }
    return printed.slice(0, data.length);
  } finally {
    await client.end();
  }
}

function batchOf(data: Data): RecordBatch {
  const schema = new Schema([new Field('v', data.type as DataType, true)]);
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: data.length, nullCount: 0, children: [data] }),
  );
}

async function* yielded(batches: readonly RecordBatch[]): AsyncGenerator<RecordBatch> {
  yield* batches;
}
