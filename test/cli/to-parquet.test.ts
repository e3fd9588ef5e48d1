import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { batchBytes, endBytes, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { orderPosition, ordersArrow, ordersBatch, ordersEnd, ordersSchema } from '../fixture/orders-arrow.js';
import { convertedFile, convertedTar } from '../fixture/converted.js';
import { duckRows } from '../fixture/parquet-readers.js';
import { tarMembers } from '../fixture/tar-members.js';
import { demandCode, run } from '../support/program.js';

t.setTimeout(120_000);

const ROWS = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'to-parquet-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

t.test('an independent reader finds the rows and the types', async (t) => {
  const { stdout } = demandCode(await run('to-parquet', [], { stdin: ordersArrow(ROWS, 3000) }));
  const [sum] = await duckRows(
    stdout,
    "SELECT count(*)::INT n, sum(id)::INT ids, sum(amount)::VARCHAR amount, count(tax_rate)::INT taxed, max(update_at AT TIME ZONE 'UTC')::VARCHAR latest, count(DISTINCT note)::INT notes FROM $FILE",
  );
  const ids = Array.from({ length: ROWS }, (_, row) => row + 1);
  const cents = ids.reduce((all, id) => all + ((id * 31) % 1_000_003), 0);
  t.same(sum, {
    n: ROWS,
    ids: (ROWS * (ROWS + 1)) / 2,
    amount: `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`,
    taxed: ids.filter((id) => id % 5 !== 0).length,
    latest: '2024-06-01 01:23:20',
    notes: ids.filter((id) => id % 3 !== 0).length,
  });
  const schema = await duckRows(stdout, 'SELECT name, type, logical_type, repetition_type FROM parquet_schema($FILE)');
  const physical = Object.fromEntries(schema.slice(1).map(({ name, type }) => [name, type]));
  t.match(physical, { id: 'INT64', amount: 'INT64', tax_rate: 'INT64', is_gift: 'INT32', shipped_on: 'INT32' });
  const logical = Object.fromEntries(schema.map(({ name, logical_type: type }) => [name, String(type)]));
  t.match(logical.is_gift, /^IntType\(bitWidth=\x10, isSigned=1\)/, 'sixteen bits');
  t.match(
    logical.tax_rate,
    /precision=10\)|scale=4, precision=10/,
    'decimals of few digits are widened, so that they are INT64',
  );
  t.match(logical.created_at, /isAdjustedToUTC=0/);
  t.match(logical.update_at, /isAdjustedToUTC=1/);
});

t.test('the same rows give the same bytes, however they were grouped, in any process, on any day', async (t) => {
  const hashes = new Set<string>();
  for (const [rows, zone] of [
    [20_000, 'UTC'],
    [7, 'Asia/Tokyo'],
  ] as const) {
    const around = { stdin: ordersArrow(ROWS, rows, { run_id: `run-${rows}` }), env: { TZ: zone } };
    hashes.add(sha256(demandCode(await run('to-parquet', [], around)).stdout));
  }
  hashes.add(sha256(await convertedFile(ordersArrow(ROWS, 999))));
  t.equal(hashes.size, 1);
});

t.test('--split-rows: exact files that continue each other, named after positions and hash', async (t) => {
  const stdout = await convertedTar(ordersArrow(ROWS, 3000), { fileRows: 7000 });
  const members = await tarMembers(stdout);
  t.equal(members.length, 4);
  const end = members.pop();
  t.equal(end?.name, '_end.json');
  const files = members.reduce((sum, { bytes }) => sum + bytes.length, 0);
  t.same(JSON.parse(String(end?.bytes)), { ...ordersEnd(ROWS), bytes: files });
  let from: unknown = null;
  for (const [index, { name, records, bytes }] of members.entries()) {
    const to = orderPosition(Math.min(ROWS, 7000 * (index + 1)));
    t.same(JSON.parse(records['TABLEPIPE.from'] ?? ''), from, 'begins where the one before it ended');
    t.same(JSON.parse(records['TABLEPIPE.to'] ?? ''), to);
    t.equal(records['TABLEPIPE.rows'], index === 2 ? '6000' : '7000');
    t.match(name, new RegExp(`-${sha256(bytes).slice(0, 16)}\\.parquet$`));
    t.match(name, /^[A-Za-z0-9._~-]+$/);
    const [footer] = await duckRows(
      bytes,
      "SELECT decode(value) v FROM parquet_kv_metadata($FILE) WHERE decode(key) = 'tablepipe'",
    );
    t.same(JSON.parse(String(footer?.v)), JSON.parse(records['TABLEPIPE.provenance'] ?? ''));
    t.notMatch(String(footer?.v), /run|until/);
    from = to;
  }
});

t.test('a run that begins at a file border writes the file the run before it wrote', async (t) => {
  const whole = await tarMembers(await convertedTar(ordersArrow(ROWS, 3000), { fileRows: 7000 }));
  const rest = Buffer.concat([
    schemaBytes(ordersSchema({ from: orderPosition(7000), run_id: 'another' })),
    batchBytes(ordersBatch(7001, 5000)),
    batchBytes(ordersBatch(12_001, ROWS - 12_000)),
    endBytes(ordersEnd(ROWS - 7000, { from: orderPosition(7000), to: orderPosition(ROWS) })),
  ]);
  const again = await tarMembers(await convertedTar(rest, { fileRows: 7000 }));
  t.same(
    again.slice(0, -1).map(({ name }) => name),
    whole.slice(1, -1).map(({ name }) => name),
  );
});

t.test('--split-size is the size of the finished file', async (t) => {
  const stdin = ordersArrow(120_000, 10_000);
  for (const size of [256 << 10, 1 << 20]) {
    const stdout = await convertedTar(stdin, { fileBytes: size });
    const files = (await tarMembers(stdout)).slice(0, -1);
    t.ok(files.length > 2);
    for (const { bytes } of files.slice(0, -1))
      t.ok(Math.abs(bytes.length / size - 1) < 0.1, `${bytes.length} for ${size}`);
  }
});

t.test('a stream of no rows', async (t) => {
  const stdin = ordersArrow(0, 1);
  const members = await tarMembers(await convertedTar(stdin, { fileRows: 5 }));
  t.same(
    members.map(({ name }) => name),
    ['_end.json'],
  );
  const stdout = await convertedFile(stdin);
  t.same(await duckRows(stdout, 'SELECT count(*)::INT n FROM $FILE'), [{ n: 0 }]);
});

t.test('every compression is what it says', async (t) => {
  for (const [name, codec] of [
    ['zstd', 'ZSTD'],
    ['gzip', 'GZIP'],
    ['none', 'UNCOMPRESSED'],
  ] as const) {
    const stdout = await convertedFile(ordersArrow(2000, 500), { compression: name });
    t.same(await duckRows(stdout, 'SELECT DISTINCT compression FROM parquet_metadata($FILE)'), [
      { compression: codec },
    ]);
    t.same(await duckRows(stdout, 'SELECT sum(id)::INT s FROM $FILE'), [{ s: 2_001_000 }]);
  }
});

t.test('-o: complete or absent, again is a no-op, something else is not replaced', async (t) => {
  const path = join(folder, 'orders.parquet');
  demandCode(await run('to-parquet', ['-o', path], { stdin: ordersArrow(300, 100) }));
  const first = readFileSync(path);
  demandCode(await run('to-parquet', ['-o', path], { stdin: ordersArrow(300, 7) }));
  demandCode(await run('to-parquet', ['-o', path], { stdin: ordersArrow(299, 100) }), 73);
  t.same(readFileSync(path), first);
  demandCode(await run('to-parquet', ['-o', path, '--overwrite'], { stdin: ordersArrow(299, 100) }));
  t.notSame(readFileSync(path), first);
  const cut = ordersArrow(300, 100).subarray(0, -20);
  demandCode(await run('to-parquet', ['-o', join(folder, 'cut.parquet')], { stdin: cut }), 82);
  t.same(readdirSync(folder), ['orders.parquet'], 'nothing else stays behind');
});

t.test('a failed stream gives the files before it, says so, and ends with its status', async (t) => {
  const parts = [schemaBytes(ordersSchema()), batchBytes(ordersBatch(1, 1000))];
  const aborted = Buffer.concat([...parts, endBytes(ordersEnd(1000, { status: 'aborted', code: 75 }))]);
  const ended = demandCode(await run('to-parquet', ['--split-rows', '400'], { stdin: aborted }), 75);
  const members = await tarMembers(ended.stdout);
  t.equal(members.length, 3);
  t.match(JSON.parse(String(members[2]?.bytes)), { status: 'aborted', code: 75, rows: 800, to: orderPosition(800) });
  const single = demandCode(await run('to-parquet', [], { stdin: aborted }), 75);
  t.not(single.stdout.toString('latin1', single.stdout.length - 4), 'PAR1', 'no footer');
  const early = demandCode(
    await run('to-parquet', ['--split-rows', '400'], {
      stdin: endBytes(ordersEnd(0, { status: 'aborted', code: 66 })),
    }),
    66,
  );
  t.match(JSON.parse(String((await tarMembers(early.stdout))[0]?.bytes)), { status: 'aborted', code: 66 });
});

t.test('--super: the column is bare bytes, the one form VARBYTE takes, and keeps its MySQL type', async (t) => {
  const { stdout } = demandCode(await run('to-parquet', ['--super', 'note'], { stdin: ordersArrow(100, 50) }));
  const schema = await duckRows(
    stdout,
    "SELECT type, converted_type, logical_type FROM parquet_schema($FILE) WHERE name = 'note'",
  );
  t.match(schema, [{ type: 'BYTE_ARRAY', converted_type: null, logical_type: null }]);
  const { stdout: facts } = demandCode(await run('from-parquet', ['--schema'], { stdin: stdout }));
  t.match(String(facts), /"name":\s*"note",\s*"type":\s*"binary",[^}]*"mysql_type":\s*"text"/);
});

t.test('bad command lines and bad input', async (t) => {
  const stdin = ordersArrow(3, 3);
  for (const words of [
    ['x'],
    ['--compression', 'lz4'],
    ['--split-size', '64M'],
    ['--split-size', '1B'],
    ['--split-rows', '0'],
    ['-o', 'f', '--split-rows', '1'],
    ['--target', 'x'],
    ['--splitrows', '2'],
    ['--super', 'id'],
    ['--super', 'nothing'],
    ['--super', 'note', '--target', 'any'],
  ]) {
    const ended = demandCode(await run('to-parquet', words, { stdin }), 64);
    t.equal(ended.stdout.length, 0, words.join(' '));
  }
  demandCode(await run('to-parquet', [], { stdin: '' }), 82);
  demandCode(await run('to-parquet', [], { stdin: 'PAR1 and more' }), 65);
  const cursorless = ordersArrow(3, 3, { cursor_columns: ['gone'] });
  t.match(demandCode(await run('to-parquet', [], { stdin: cursorless }), 65).stderr, /gone/);
});
