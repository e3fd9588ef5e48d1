import fc from 'fast-check';
import t from 'tap';
import { makeData, RecordBatch, Struct } from 'apache-arrow';
import { jsonCells } from '../../src/codec/json-values.js';
import { BAD_VALUE, STORED, ZERO_DATE } from '../../src/column/buffer/column-buffer.js';
import { columnBuffer } from '../../src/column/buffers.js';
import { type ColumnPlan, type Policies, columnPlan, schemaOfPlans } from '../../src/column/from-mysql.js';

const FAIL: Policies = { zeroDates: 'fail', badValues: 'fail' };

function plan(type: string, policies = FAIL): ColumnPlan {
  return columnPlan({ table: 's.t', name: 'c', type, nullable: true, charset: null }, policies);
}

/** Parses one value that stands in the middle of other bytes, as in a packet; gives the outcome or the raw buffer. */
function parsed(type: string, value: string | Uint8Array, policies = FAIL): unknown {
  const buffer = columnBuffer(plan(type, policies), 3);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const packet = Buffer.concat([Buffer.from('9-9.'), bytes, Buffer.from('.99-')]);
  buffer.appendNull(0);
  const outcome = buffer.append(1, packet, 4, 4 + bytes.length);
  if (outcome !== STORED) return outcome;
  buffer.append(2, packet, 4, 4 + bytes.length);
  const data = buffer.data(3);
  return { values: data.values, offsets: data.valueOffsets };
}

/** The JSON text of one value: what people see of it. */
function shown(type: string, value: string | Uint8Array): string | undefined {
  const { arrow } = plan(type);
  const buffer = columnBuffer(plan(type), 1);
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  if (buffer.append(0, bytes, 0, bytes.length) !== STORED) return undefined;
  const schema = schemaOfPlans([plan(type)]);
  const child = buffer.data(1);
  t.equal(child.type.typeId, arrow.typeId);
  const batch = new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length: 1, nullCount: 0, children: [child] }),
  );
  return jsonCells(batch)[0]?.(0);
}

const floatText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
const int64 = (value: unknown, row = 1): bigint => (value as { values: BigInt64Array }).values[row] as bigint;
const number = (value: unknown, row = 1): number => (value as { values: Int32Array }).values[row] as number;

function int128(value: unknown, row = 1): bigint {
  const words = (value as { values: Uint32Array }).values.subarray(4 * row, 4 * row + 4);
  return BigInt.asIntN(
    128,
    [...words].reduceRight((sum, word) => (sum << 32n) | BigInt(word >>> 0), 0n),
  );
}

t.test('integers: every width at its edges, and one beyond', async (t) => {
  for (const [type, least, most] of [
    ['tinyint(4)', -32768n, 32767n],
    ['smallint(6)', -32768n, 32767n],
    ['smallint unsigned', -2147483648n, 2147483647n],
    ['mediumint', -2147483648n, 2147483647n],
    ['int(11)', -2147483648n, 2147483647n],
  ] as const) {
    for (const value of [least, most, 0n, -1n, 7n]) t.equal(BigInt(number(parsed(type, String(value)))), value);
    for (const value of [least - 1n, most + 1n]) t.equal(parsed(type, String(value)), BAD_VALUE, `${type} ${value}`);
  }
  for (const type of ['bigint(20)', 'int(10) unsigned']) {
    for (const value of [
      -(2n ** 63n),
      2n ** 63n - 1n,
      0n,
      -1n,
      10n ** 15n,
      10n ** 15n - 1n,
      -(10n ** 18n),
      4294967295n,
      -4294967296n,
    ]) {
      t.equal(int64(parsed(type, String(value))), value);
    }
    for (const value of [-(2n ** 63n) - 1n, 2n ** 63n, 10n ** 19n]) t.equal(parsed(type, String(value)), BAD_VALUE);
  }
  t.equal(int64(parsed('int(10) unsigned zerofill', '0000000042')), 42n, 'padded with zeros');
  t.equal(
    int64(
      parsed(
        'bigint(30) unsigned zerofill'.replace(' unsigned', '').replace(' zerofill', ''),
        '000000000000000000000000000042',
      ),
    ),
    42n,
  );
  for (const text of ['', '-', '1a', '+1', ' 1', '1.0', '0x1']) {
    for (const type of ['int', 'bigint']) t.equal(parsed(type, text), BAD_VALUE, JSON.stringify(text));
  }
});

t.test('integers: any 64-bit number, against BigInt', async () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (value) => int64(parsed('bigint', String(value))) === value,
    ),
  );
  fc.assert(fc.property(fc.integer(), (value) => number(parsed('int', String(value))) === value));
});

t.test('decimals: any digits, against BigInt', async (t) => {
  const unscaled = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n });
  fc.assert(
    fc.property(unscaled, fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 20 }), (value, scale, divisor) => {
      const some = value / 10n ** BigInt(divisor);
      const digits = String(some < 0n ? -some : some).padStart(scale + 1, '0');
      const text = `${some < 0n ? '-' : ''}${digits.slice(0, digits.length - scale)}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`;
      return int128(parsed(`decimal(38,${scale})`, text)) === some;
    }),
  );
  t.equal(int128(parsed('bigint unsigned', '18446744073709551615')), 2n ** 64n - 1n);
  t.equal(int128(parsed('decimal(10,2) unsigned zerofill', '00000001.50')), 150n);
  t.equal(int128(parsed('decimal(10,4)', '-1.5')), -15000n, 'fewer decimals than declared');
  t.equal(int128(parsed('decimal(10,1)', '1.500')), 15n, 'more decimals, all zero');
  t.equal(int128(parsed('decimal(30,20)', '123456789.5')), 1234567895n * 10n ** 19n);
  t.equal(int128(parsed('decimal(2,2)', '-0.05')), -5n);
  for (const text of ['', '-', '.', '1.2.3', '1e3', '1.25', '1000.0', '12345678901234567890']) {
    t.equal(parsed('decimal(4,1)', text), BAD_VALUE, JSON.stringify(text));
  }
  t.same(plan('decimal(65,30)').reading, 'text', 'beyond 38 digits it stays text');
});

t.test('floating point: rounded once, against Number', async (t) => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) =>
      Object.is(number(parsed('double', floatText(value))), value),
    ),
  );
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) =>
      Object.is(number(parsed('float', floatText(value))), value),
    ),
  );
  for (const text of [
    '5e-324',
    '1.7976931348623157e308',
    '9007199254740993',
    '0.1',
    '-0',
    '1e22',
    '1e23',
    '1.100',
    '2.2250738585072011e-308',
    '179769313486231570000',
  ]) {
    t.equal(number(parsed('double', text)), Number(text), text);
  }
  for (const text of ['', '-', 'e5', '1e', '1e+', '1x', 'nan', '1e999'])
    t.equal(parsed('double', text), BAD_VALUE, text);
});

t.test('bits', async (t) => {
  t.equal(shown('bit(1)', Uint8Array.of(1)), 'true');
  t.equal(shown('bit(1)', Uint8Array.of(0)), 'false');
  t.equal(int64(parsed('bit(12)', Uint8Array.of(8, 1))), 0x801n);
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(value);
      return int64(parsed('bit(63)', bytes)) === value && int128(parsed('bit(64)', bytes)) === value;
    }),
  );
  t.equal(int128(parsed('bit(64)', Buffer.alloc(8, 0xff))), 2n ** 64n - 1n);
  t.equal(parsed('bit(1)', Uint8Array.of(2)), BAD_VALUE);
  t.equal(parsed('bit(5)', new Uint8Array(9)), BAD_VALUE);
  t.equal(parsed('bit(63)', Buffer.alloc(8, 0xff)), BAD_VALUE);
});

t.test('dates: every day of a thousand years around the rules, against Date', async (t) => {
  for (const first of ['0001-01-01', '1580-01-01', '1899-12-01', '2000-01-01', '9990-01-01']) {
    const start = Date.parse(`${first}T00:00:00Z`) / 86_400_000;
    for (let day = start; day < start + 1500; day += 1) {
      const text = new Date(day * 86_400_000).toISOString().slice(0, 10);
      if (number(parsed('date', text)) !== day) t.fail(text);
    }
  }
  for (const text of ['0000-00-00', '2024-00-01', '2024-02-00', '0000-01-01', '2024-00-00']) {
    t.equal(parsed('date', text), ZERO_DATE, text);
    t.equal(parsed('datetime', `${text} 10:00:00`), ZERO_DATE, text);
  }
  for (const text of [
    '2024-02-30',
    '2023-02-29',
    '1900-02-29',
    '2024-04-31',
    '2024-13-01',
    '2024-1-01',
    '24-01-01',
    '2024/01/01',
    '',
    'not-a-date',
  ]) {
    t.equal(parsed('date', text), BAD_VALUE, text);
  }
});

t.test('timestamps: any microsecond of MySQL, against BigInt', async (t) => {
  const seconds = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 });
  fc.assert(
    fc.property(
      seconds,
      fc.integer({ min: 0, max: 999_999 }),
      fc.integer({ min: 0, max: 6 }),
      (second, micro, digits) => {
        const kept = digits === 0 ? 0 : Math.floor(micro / 10 ** (6 - digits)) * 10 ** (6 - digits);
        const fraction = digits === 0 ? '' : `.${String(micro).padStart(6, '0').slice(0, digits)}`;
        const text = new Date(second * 1000).toISOString().slice(0, 19).replace('T', ' ') + fraction;
        return int64(parsed('datetime(6)', text)) === BigInt(second) * 1_000_000n + BigInt(kept);
      },
    ),
  );
  for (const text of [
    '2024-01-01 24:00:00',
    '2024-01-01 10:60:00',
    '2024-01-01 10:00:60',
    '2024-01-01',
    '2024-01-01T10:00:00',
    '2024-01-01 10:00:00.',
    '2024-01-01 10:00:00.1234567',
    '2024-01-01 10:00:00.12x',
    '2024-02-31 10:00:00',
  ]) {
    t.equal(parsed('datetime', text), BAD_VALUE, text);
  }
  t.equal(shown('timestamp(3)', '2038-01-19 03:14:07.123'), '"2038-01-19T03:14:07.123000Z"');
  t.equal(shown('datetime', '0999-12-31 23:59:59'), '"0999-12-31T23:59:59.000000"');
});

t.test('text: any string comes back; what is not UTF-8 is refused', async (t) => {
  const texts = fc.array(fc.option(fc.string({ unit: 'binary', maxLength: 200 })), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(texts, (values) => {
      const buffer = columnBuffer(plan('varchar(200)'), values.length);
      for (let round = 0; round < 2; round += 1) {
        values.forEach((value, row) => {
          const bytes = Buffer.from(`<${value}>`);
          if (value === null) buffer.appendNull(row);
          else buffer.append(row, bytes, 1, bytes.length - 1);
        });
        const { values: data, valueOffsets } = buffer.data(values.length);
        const same = values.every(
          (value, row) =>
            Buffer.from(data.subarray(valueOffsets[row], valueOffsets[row + 1])).toString() ===
            (value === null ? '' : Buffer.from(value).toString()),
        );
        if (!same) return false;
        buffer.reset();
      }
      return true;
    }),
  );
  for (const length of [1, 3, 4, 95, 96, 97, 1000]) {
    const bad = Buffer.alloc(length, 'a');
    bad[length - 1] = 0xff;
    t.equal(parsed('text', bad), BAD_VALUE, `${length} bytes`);
    t.not(parsed('blob', bad), BAD_VALUE, 'bytes are not looked at');
  }
});

t.test('dates as text, when a policy asks for it', async (t) => {
  const kept: Policies = { zeroDates: 'text', badValues: 'fail' };
  t.equal(plan('date', kept).reading, 'date-text');
  t.equal(parsed('date', '2024-00-00', kept), ZERO_DATE, 'the policy decides, not the buffer');
  t.equal(parsed('datetime', '2024-02-31 00:00:00', kept), BAD_VALUE);
  const { values, offsets } = parsed('datetime(6)', '2024-02-29 00:00:00.000001', kept) as {
    values: Uint8Array;
    offsets: Int32Array;
  };
  t.equal(Buffer.from(values.subarray(offsets[1], offsets[2])).toString(), '2024-02-29 00:00:00.000001');
});
