/** The same rows give the same bytes and names, and files of the size asked for, whatever the rows are like. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { convertedFile, convertedTar } from '../fixture/converted.js';
import { ordersArrow } from '../fixture/orders-arrow.js';
import { tarMembers } from '../fixture/tar-members.js';
import { textArrow } from '../fixture/text-arrow.js';
import { demandCode, run } from '../support/program.js';

t.setTimeout(180_000);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Characters that look random and are the same each time. */
function noise(bytes: number, seed: number): string {
  let text = '';
  for (let block = 0; text.length < bytes; block += 1)
    text += createHash('sha512').update(`${seed}/${block}`).digest('base64');
  return text.slice(0, bytes);
}

const ROWS = 6000;
const texts = Array.from({ length: ROWS }, (_, row) => noise(row % 400, row));
const [NOISY, EQUAL, WIDE] = ['nothing compresses', 'everything does', 'texts of 500 kB'];
const SHAPES: Record<string, (batchRows: number) => Buffer> = {
  [NOISY]: (batchRows) => textArrow(texts, { cursor: true, batchRows }),
  [EQUAL]: (batchRows) =>
    textArrow(
      texts.map(() => 'the same each time, '.repeat(20)),
      { cursor: true, batchRows },
    ),
  [WIDE]: (batchRows) =>
    textArrow(
      Array.from({ length: 48 }, (_, row) => noise(500_000, row)),
      { cursor: true, batchRows: Math.min(batchRows, 7) },
    ),
};

t.test('batches cut anywhere: the same bytes and names', async (t) => {
  for (const [name, arrow] of Object.entries(SHAPES)) {
    const rows = name === WIDE ? [1, 7] : [ROWS, 31];
    const found = new Set<string>();
    for (const batchRows of rows) {
      const input = arrow(batchRows);
      const members = await tarMembers(await convertedTar(input, { fileBytes: 512 << 10, rowGroupBytes: 128 << 10 }));
      const files = members.slice(0, -1).map((member) => `${member.name} ${sha256(member.bytes)}`);
      found.add([sha256(await convertedFile(input)), ...files].join('\n'));
    }
    t.equal(found.size, 1, name);
  }
});

t.test('another process, another day, another zone, another language, file or pipe: the same bytes', async (t) => {
  const stdin = ordersArrow(3000, 500);
  const found = new Set([sha256(await convertedFile(ordersArrow(3000, 7), { rowGroupBytes: 8 << 20 }))]);
  const later = 'data:text/javascript,const%20now=Date.now;Date.now=()=>now()+4e11';
  for (const env of [
    { TZ: 'Asia/Tokyo', LANG: 'tr_TR.UTF-8', LC_ALL: 'tr_TR.UTF-8' },
    { TZ: 'America/St_Johns', NODE_OPTIONS: `--import ${later}` },
  ])
    found.add(sha256(demandCode(await run('to-parquet', [], { stdin, env })).stdout));
  t.equal(found.size, 1);
});

t.test('--split-size is hit within 10 %: files but the last, of any shape', async (t) => {
  const checked: Record<string, number> = {};
  for (const [name, size] of [
    [NOISY, 256 << 10],
    [EQUAL, 256 << 10],
    [WIDE, 8 << 20],
  ] as const) {
    const input = name === EQUAL ? equalRows(150_000) : (SHAPES[name]?.(400) ?? Buffer.alloc(0));
    const files = (await tarMembers(await convertedTar(input, { fileBytes: size }))).slice(0, -2);
    checked[name] = files.length;
    for (const { bytes } of files) {
      t.ok(Math.abs(bytes.length - size) < size * 0.1, `${name}: ${bytes.length} for ${size}`);
    }
  }
  t.ok(
    Object.values(checked).every((files) => files >= 2),
    JSON.stringify(checked),
  );
});

/** A hundred bytes a row that compress to next to nothing. */
function equalRows(rows: number): Buffer {
  const same = 'a note that every row has, '.repeat(4);
  return textArrow(
    Array.from({ length: rows }, () => same),
    { cursor: true, batchRows: 5000 },
  );
}
