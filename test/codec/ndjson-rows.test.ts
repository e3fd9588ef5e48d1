import t from 'tap';
import { openRows } from '../../src/codec/open-rows.js';
import { oneParquetFile } from '../../src/codec/parquet-stream.js';
import { schemaOfFile } from '../../src/column/json-schema.js';
import { endLine } from '../../src/end-record.js';
import { Failure, codeOf } from '../../src/errors.js';
import { gathered } from '../fixture/converted.js';
import { ordersEnd } from '../fixture/orders-arrow.js';
import { duckRows } from '../fixture/parquet-readers.js';

t.setTimeout(120_000);

const SCHEMA = JSON.stringify({
  table: 's.t',
  primary_key: ['id'],
  columns: [
    { name: 'id', type: 'int64', nullable: false },
    { name: 'amount', type: 'decimal(38,10)' },
    { name: 'text', type: 'string' },
    { name: 'at', type: 'timestamp' },
    { name: 'day', type: 'date' },
    { name: 'raw', type: 'binary' },
  ],
});

async function converted(
  input: string | Buffer,
  step = Number.POSITIVE_INFINITY,
  allowUnterminated = true,
): Promise<Buffer> {
  const bytes = Buffer.from(input);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  }
  const json = { schema: schemaOfFile(SCHEMA, 'schema.json'), infer: false, note: () => {} };
  const rows = await openRows(chunks(), { allowUnterminated, runId: 'r', json }, new AbortController().signal);
  return gathered(oneParquetFile(rows, { compression: 'snappy', rowGroupBytes: 1 << 24, target: 'redshift' }));
}

async function statusOf(work: () => Promise<unknown>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return codeOf(error);
  }
}

t.test('no digit passes through a float, and every value arrives', async (t) => {
  const rows = [
    '{"id":9223372036854775807,"amount":1234567890123456789012345678.0123456789,"text":"a 12345678901234567 b","at":"2024-02-29T23:59:59.000001","day":"2024-02-29","raw":"AP8="}',
    '{"id":"-9223372036854775808","amount":"-0.1000000000","text":{"a":[1]},"at":"0001-01-01 00:00:00","day":"9999-12-31","raw":""}',
    '{"id":1,"id":2}',
  ];
  const sql =
    'SELECT id::VARCHAR id, amount::VARCHAR amount, text, "at"::VARCHAR "at", "day"::VARCHAR "day", hex(raw) raw FROM $FILE';
  const expected = [
    {
      id: '9223372036854775807',
      amount: '1234567890123456789012345678.0123456789',
      text: 'a 12345678901234567 b',
      at: '2024-02-29 23:59:59.000001',
      day: '2024-02-29',
      raw: '00FF',
    },
    {
      id: '-9223372036854775808',
      amount: '-0.1000000000',
      text: '{"a":[1]}',
      at: '0001-01-01 00:00:00',
      day: '9999-12-31',
      raw: '',
    },
    { id: '2', amount: null, text: null, at: null, day: null, raw: null },
  ];
  for (const [name, input, step] of [
    ['plain', rows.join('\n') + '\n', undefined],
    ['no last newline', rows.join('\n'), undefined],
    ['CRLF and empty lines', rows.join('\r\n\r\n') + '\r\n', undefined],
    ['a BOM, a byte at a time', `\ufeff${rows.join('\n')}\n`, 1],
  ] as const) {
    t.same(await duckRows(await converted(input, step), sql), expected, name);
  }
});

t.test('what a column cannot hold exactly is refused with line and column', async (t) => {
  for (const [row, message] of [
    ['{"id":9223372036854775808}', /line 2: id is 9223372036854775808, beyond 64 bits/],
    ['{"id":1.5}', /line 2: id is not an integer/],
    ['{"id":null}', /line 2: id is missing or null/],
    ['{"id":1,"amount":"0.12345678901"}', /line 2: amount has more than 10 digits/],
    ['{"id":1,"amount":1e30}', /line 2: amount is not a decimal/],
    ['{"id":1,"day":"2024-02-30"}', /line 2: day is not a date/],
    ['{"id":1,"raw":"@"}', /line 2: raw is not base64/],
    ['{"id":1,"text":5}', /line 2: text is not a text/],
    ['{"id":1,"more":5}', /line 2: there is no column more/],
    ['{"id":NaN}', /line 2 is not valid JSON/],
    ['[1]', /line 2 is not a JSON object/],
  ] as const) {
    await t.rejects(converted(`{"id":1}\n${row}\n`), { kind: 'data', message }, row);
  }
  const surrogate = '{"id":1,"text":"\\ud800"}\n';
  t.equal(await statusOf(() => converted(surrogate)), 65, 'half a surrogate pair');
  t.equal(
    await statusOf(() => converted(Buffer.from([...Buffer.from('{"id":1,"text":"'), 0xff, ...Buffer.from('"}\n')]))),
    65,
  );
});

t.test('NDJSON cut at any byte is refused', async (t) => {
  const whole = `{"id":1,"text":"ü"}\n{"id":2}\n${endLine(ordersEnd(2))}`;
  t.equal(await statusOf(() => converted(whole, 3, false)), 0);
  const bytes = Buffer.from(whole);
  for (let length = 0; length < bytes.length; length += 1) {
    const status = await statusOf(() => converted(bytes.subarray(0, length), 50, false));
    if (status !== 82) t.fail(`cut at ${length}: ${status}`);
  }
  t.equal(await statusOf(() => converted(`{"id":1}\n${endLine(ordersEnd(2))}`, 50, false)), 65, 'a row is missing');
  t.equal(await statusOf(() => converted(endLine(ordersEnd(0, { status: 'aborted', code: 75 })), 50, false)), 75);
});

t.test('a line of 100 MB', async (t) => {
  const file = await converted(`{"id":1,"text":"${'x'.repeat(100e6)}"}\n`, 1 << 16);
  t.same(await duckRows(file, 'SELECT strlen(text)::INT n FROM $FILE'), [{ n: 100e6 }]);
});
