/** Every cut of every kind of input is refused; members before a cut are handed out whole. */
import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import t from 'tap';
import { Int32, Table, vectorFromArray } from 'apache-arrow';
import { batchBytes, endBytes, joined, schemaBytes } from '../../src/codec/arrow-bytes.js';
import { members } from '../../src/codec/members.js';
import { endLine } from '../../src/end-record.js';
import { Failure } from '../../src/errors.js';
import { endRecord, parquetMembers, tarOf } from '../support/tar-of-parquet.js';

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Read {
  whole: { name: string | undefined; bytes: Buffer }[];
  ended: boolean;
  error: unknown;
}

/** Reads all there is, as a sink would. */
async function readAll(bytes: Uint8Array, { size = 4096, allowUnterminated = false } = {}): Promise<Read> {
  const read: Read = { whole: [], ended: false, error: undefined };
  try {
    for await (const item of members(inPieces(bytes, size), { allowUnterminated })) {
      if (item.kind === 'end') read.ended = true;
      else {
        const chunks: Uint8Array[] = [];
        for await (const chunk of item.member.body) chunks.push(chunk);
        read.whole.push({ name: item.member.name, bytes: Buffer.concat(chunks) });
      }
    }
  } catch (error) {
    read.error = error;
  }
  return read;
}

const kindOf = (error: unknown): string => (error instanceof Failure ? error.kind : String(error));

t.setTimeout(180_000);
const files = parquetMembers(2);
const tar = await tarOf(files);

t.test('a whole tar gives its members, however it is cut into chunks', async (t) => {
  for (const size of [1, 7, 511, 512, 513, 65_536]) {
    const { whole, ended, error } = await readAll(tar, { size });
    t.equal(error, undefined);
    t.ok(ended);
    t.ok(whole.every(({ bytes }, index) => bytes.equals(Buffer.from(files[index]?.bytes ?? []))));
    t.same(
      whole.map(({ name }) => name),
      files.map(({ name }) => name),
    );
  }
});

t.test('a tar cut at any byte is 82, and the members before the cut are whole', async (t) => {
  let most = 0;
  for (let at = 0; at < tar.length; at += 1) {
    const { whole, ended, error } = await readAll(tar.subarray(0, at));
    if (kindOf(error) !== 'truncated' || ended) t.fail(`cut at ${at}: ${kindOf(error)}`);
    whole.forEach(({ bytes }, index) => {
      if (!bytes.equals(Buffer.from(files[index]?.bytes ?? []))) t.fail(`cut at ${at}: member ${index} is not whole`);
    });
    most = Math.max(most, whole.length);
  }
  t.equal(most, files.length);
});

t.test('a flipped bit is refused, or changes nothing that counts', async (t) => {
  let refused = 0;
  for (let at = 0; at < tar.length; at += 1) {
    const bytes = Buffer.from(tar);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    const { whole, error } = await readAll(bytes);
    if (error !== undefined) refused += 1;
    const handed = whole.every(({ bytes: got }) => files.some((file) => got.equals(Buffer.from(file.bytes))));
    if (!handed) t.fail(`a flip at ${at} was handed out`);
  }
  t.ok(refused > tar.length / 2, `${refused} of ${tar.length} flips refused`);
});

t.test('an abort record gives its writer the last word', async (t) => {
  const aborted = await tarOf(files.slice(0, 1), endRecord(files.slice(0, 1), { status: 'aborted', code: 75 }));
  const { whole, error } = await readAll(aborted);
  t.equal(whole.length, 1);
  t.match(error, { code: 75, kind: 'temporary' });
});

t.test('rows that do not add up are 65', async (t) => {
  t.match((await readAll(await tarOf(files, endRecord(files, { rows: 10 })))).error, { kind: 'data' });
});

t.test('a tar of another program needs --allow-unterminated, and its closing blocks', async (t) => {
  const foreign = await tarOf(files, null);
  t.match((await readAll(foreign)).error, { kind: 'truncated' });
  const { whole, ended, error } = await readAll(foreign, { allowUnterminated: true });
  t.equal(error, undefined);
  t.ok(ended && whole.length === 2);
  const cut = await readAll(foreign.subarray(0, foreign.length - 600), { allowUnterminated: true });
  t.match(cut.error, { kind: 'truncated' });
});

t.test('a name that leaves its folder is 65', async (t) => {
  for (const name of ['../a.parquet', '/etc/a.parquet', 'a//b.parquet', 'a/../../b.parquet']) {
    const archive = pack();
    archive.entry({ name }, Buffer.from(files[0]?.bytes ?? []));
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive) chunks.push(chunk as Buffer);
    t.match((await readAll(Buffer.concat(chunks), { allowUnterminated: true })).error, { kind: 'data' }, name);
  }
});

t.test('content that is not what the name promises is 65', async (t) => {
  const [one] = parquetMembers(1);
  if (!one) return;
  const hash = createHash('sha256').update('something else').digest('hex').slice(0, 16);
  const { error, whole } = await readAll(await tarOf([{ ...one, name: `start-3-${hash}.parquet` }]));
  t.match(error, { kind: 'data', message: /name promises/ });
  t.same(whole, []);
});

const table = new Table({ id: vectorFromArray([1, 2, 3], new Int32()) });
const record = endRecord([], { rows: 3 });
const arrow = joined([schemaBytes(table.schema), ...table.batches.map((batch) => batchBytes(batch)), endBytes(record)]);
const ndjson = Buffer.from(`{"id":1}\n{"id":2}\n{"id":3}\n${endLine(record)}`);

for (const [name, bytes] of Object.entries({ parquet: Buffer.from(files[0]?.bytes ?? []), arrow, ndjson })) {
  t.test(`${name}: whole it is handed out as it is, cut at any byte it is 82 or 65`, async (t) => {
    const { whole, ended, error } = await readAll(bytes, { size: 100 });
    t.equal(error, undefined);
    t.ok(ended && whole[0]?.bytes.equals(Buffer.from(bytes)));
    for (let at = 0; at < bytes.length; at += 1) {
      const cut = await readAll(bytes.subarray(0, at), { size: 100 });
      if (cut.ended || !['truncated', 'data'].includes(kindOf(cut.error))) t.fail(`${at}: ${kindOf(cut.error)}`);
    }
  });
}

t.test('what has no end of its own is taken only when told to', async (t) => {
  const csv = Buffer.from('id,name\n1,a\n');
  t.match((await readAll(csv)).error, { kind: 'usage', hint: /--allow-unterminated/ });
  t.ok((await readAll(csv, { allowUnterminated: true })).ended);
  t.match((await readAll(Buffer.alloc(0), { allowUnterminated: true })).error, { kind: 'truncated' });
});
