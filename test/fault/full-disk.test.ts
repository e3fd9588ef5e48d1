/** No file may grow beyond a limit, as on a disk that is full (rows 22 and 23): 74, in words, and no half of a file. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { pipeline } from '../support/pipeline.js';

const folder = mkdtempSync(join(tmpdir(), 'full-disk-'));
t.setTimeout(200_000);
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const rows = join(folder, 'rows.ndjson');
const line = (id: number): string => `{"id":${id},"note":"${randomBytes(5_000).toString('hex')}"}\n`;
writeFileSync(rows, Array.from({ length: 2_200 }, (_, id) => line(id)).join(''));

const CONVERT = 'to-parquet --infer --allow-unterminated --compression none';
/** What writes files, and how large the first may become: the last one is the file that a tar's member waits in. */
const WRITERS: readonly (readonly [name: string, limit: number, command: string])[] = [
  ['to-parquet -o', 100_000, `${CONVERT} -o place/rows.parquet < ${rows}`],
  ['s3-put to a folder of this machine', 100_000, `s3-put file://FOLDER/place/rows --allow-unterminated < ${rows}`],
  [
    'a watermark chain in files',
    10,
    `wm set shop.orders --cursor '["2024-01-01 00:00:00.000000","1"]' --store file://FOLDER/place/`,
  ],
  [
    'to-parquet --split-rows, beyond 16 MiB',
    4_000_000,
    `${CONVERT} --split-rows 10000000 --temp-dir place < ${rows} | cat > /dev/null`,
  ],
];

for (const [name, limit, command] of WRITERS) {
  t.test(name, async (t) => {
    const home = mkdtempSync(join(folder, 'case-'));
    mkdirSync(join(home, 'place'));
    const env = { HOME: home, TMPDIR: join(home, 'place') };
    const limited = `prlimit --fsize=${limit} ${command.replace('FOLDER', home)}`;
    const full = await pipeline(limited, { env, cwd: home });
    t.equal(full.code, 74, full.stderr);
    t.match(full.stderr, /error\[74 IOERR\].*EFBIG/);
    const left = readdirSync(join(home, 'place'), { recursive: true, withFileTypes: true }).filter((one) =>
      one.isFile(),
    );
    t.same(
      left.filter((one) => !one.name.startsWith('.')).map((one) => one.name),
      [],
      'no file under its name',
    );
    const again = await pipeline(command.replace('FOLDER', home), { env, cwd: home });
    t.equal(again.code, 0, again.stderr);
  });
}
