/** NDJSON and Singer through the command: the columns, every digit, long and odd lines (reference/reliability.md 60). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { endLine } from '../../src/end-record.js';
import { ordersEnd } from '../fixture/orders-arrow.js';
import { duckRows } from '../fixture/parquet-readers.js';
import { demandStatus, pipeline } from '../support/pipeline.js';
import { demandCode, run } from '../support/program.js';

t.setTimeout(180_000);

const folder = mkdtempSync(join(tmpdir(), 'to-parquet-input-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const SCHEMA = join(folder, 'schema.json');
writeFileSync(
  SCHEMA,
  JSON.stringify({
    table: 's.t',
    primary_key: ['id'],
    columns: [
      { name: 'id', type: 'int64', nullable: false },
      { name: 'amount', type: 'decimal(38,10)' },
      { name: 'text', type: 'string' },
      { name: 'small', type: 'uint32' },
    ],
  }),
);
const schema = ['--schema', SCHEMA];
const whole = (rows: string, count: number): string => `${rows}${endLine(ordersEnd(count, { to: null }))}`;

t.test('--schema: 64-bit integers and decimals keep every digit, CRLF, BOM and surrogate pairs are read', async (t) => {
  const rows =
    '\ufeff{"id":9223372036854775807,"amount":1234567890123456789012345678.0123456789,"text":"\\ud83d\\ude00","small":4294967295}\r\n' +
    '\r\n{"id":"-9223372036854775808","amount":"-0.1","text":"ünï\\r"}\r\n' +
    '{"text":"twice","id":1,"id":2}\n';
  const { stdout } = demandCode(await run('to-parquet', schema, { stdin: whole(rows, 3) }));
  t.same(
    await duckRows(stdout, 'SELECT id::VARCHAR id, amount::VARCHAR amount, text, small::VARCHAR small FROM $FILE'),
    [
      {
        id: '9223372036854775807',
        amount: '1234567890123456789012345678.0123456789',
        text: '😀',
        small: '4294967295',
      },
      { id: '-9223372036854775808', amount: '-0.1000000000', text: 'ünï\r', small: null },
      { id: '2', amount: null, text: 'twice', small: null },
    ],
  );
});

t.test('--infer says on stderr what it takes the columns for', async (t) => {
  const rows =
    '{"a":1,"b":9007199254740993,"c":true,"d":1.5,"e":"x"}\n{"a":2,"b":-12345678901234567890,"c":null,"d":2,"e":null}\n{"b":1}\n';
  const { stdout, stderr } = demandCode(await run('to-parquet', ['--infer'], { stdin: whole(rows, 3) }));
  t.match(stderr, /columns guessed from 3 rows: a int64, b decimal\(38,0\), c bool, d float64, e string/);
  const sql = 'SELECT a::VARCHAR a, b::VARCHAR b, c, d, e FROM $FILE';
  t.same(await duckRows(stdout, sql), [
    { a: '1', b: '9007199254740993', c: true, d: 1.5, e: 'x' },
    { a: '2', b: '-12345678901234567890', c: null, d: 2, e: null },
    { a: null, b: '1', c: null, d: null, e: null },
  ]);
  t.match(demandCode(await run('to-parquet', [], { stdin: whole(rows, 3) }), 64).stderr, /--schema FILE.*--infer/);
  demandCode(await run('to-parquet', ['--infer', ...schema], { stdin: whole(rows, 3) }), 64);
});

t.test('Singer: SCHEMA, RECORD and STATE; it has no end, so that has to be allowed', async (t) => {
  const rows = [
    {
      type: 'SCHEMA',
      stream: 's-t',
      key_properties: ['id'],
      schema: {
        properties: {
          id: { type: 'integer' },
          d: { type: ['null', 'string'], format: 'singer.decimal', precision: 20, scale: 2 },
          at: { type: ['null', 'string'], format: 'date-time' },
        },
      },
    },
    { type: 'RECORD', stream: 's-t', record: { id: 0, d: '123456789012345678.25', at: '2024-02-29T23:59:59.000001Z' } },
    { type: 'STATE', value: {} },
  ];
  const stdin = `${rows.map((row) => JSON.stringify(row).replace('"id":0', '"id":9223372036854775807')).join('\n')}\n`;
  const { stdout } = demandCode(await run('to-parquet', ['--allow-unterminated'], { stdin }));
  t.same(await duckRows(stdout, 'SELECT id::VARCHAR id, d::VARCHAR d, "at"::VARCHAR "at" FROM $FILE'), [
    { id: '9223372036854775807', d: '123456789012345678.25', at: '2024-02-29 23:59:59.000001' },
  ]);
  demandCode(await run('to-parquet', [], { stdin }), 82);
});

t.test('lone surrogates, broken UTF-8, NaN and a missing newline', async (t) => {
  const refused = async (line: string | Buffer, why: RegExp, code = 65, words: string[] = []): Promise<void> => {
    const { stderr, stdout } = demandCode(await run('to-parquet', [...schema, ...words], { stdin: line }), code);
    t.match(stderr, why);
    t.not(stdout.toString('latin1', stdout.length - 4), 'PAR1');
  };
  await refused(whole('{"id":7,"text":"\\ud800"}\n', 1), /text of the row id = 7 is not valid UTF-8/);
  await refused(Buffer.from('{"id":7,"text":"\xff"}\n', 'latin1'), /line 1 is not valid UTF-8/);
  await refused('{"id":NaN}\n', /line 1 is not valid JSON/);
  await refused('{"id":1}\n{"id":9223372036854775808}\n', /line 2: id is 9223372036854775808, beyond 64 bits/);
  await refused('{"id":1}\n{"id":2}', /ended before its end record/, 82);
  const { stdout } = demandCode(
    await run('to-parquet', [...schema, '--allow-unterminated'], { stdin: '{"id":1}\n{"id":2}' }),
  );
  t.same(await duckRows(stdout, 'SELECT count(*)::INT n FROM $FILE'), [{ n: 2 }]);
});

t.test('a line of 100 MB from a file, and one that is too long', async (t) => {
  const path = join(folder, 'long.ndjson');
  writeFileSync(path, whole(`{"id":1,"text":"${'xy'.repeat(50e6)}"}\n{"id":2,"text":"z"}\n`, 2));
  const words = '--schema schema.json --target any --allow-unterminated';
  const from = async (): ReturnType<typeof pipeline> =>
    pipeline(`to-parquet ${words} < long.ndjson > long.parquet`, { env: {}, cwd: folder });
  demandStatus(await from());
  t.same(
    await duckRows(
      readFileSync(join(folder, 'long.parquet')),
      'SELECT id::INT id, strlen(text)::INT n, right(text, 2) r FROM $FILE',
    ),
    [
      { id: 1, n: 100e6, r: 'xy' },
      { id: 2, n: 1, r: 'z' },
    ],
  );
  writeFileSync(path, `{"id":1,"text":"${'x'.repeat(135e6)}"}\n`);
  t.match(demandStatus(await from(), 65).stderr, /line 1 is longer than/);
});
