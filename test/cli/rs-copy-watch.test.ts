/** `rs-copy --watch`: loads what an extract commits while it goes on, and stops when it is over. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { receiptStream } from '../load/objects.js';
import { orders } from '../load/rows.js';
import { collected, demandCode, run, start } from '../support/program.js';
import { connectTarget, servers } from '../support/servers.js';

t.setTimeout(120_000);
const folder = mkdtempSync(join(tmpdir(), 'rs-copy-watch-'));
const schema = `rs_watch_${process.pid}`;
const sql = await connectTarget();
t.teardown(async () => {
  await sql.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
  await sql.end();
  rmSync(folder, { recursive: true, force: true });
});
const env = {
  TABLEPIPE_WAREHOUSE_URL: servers().warehouseUrl,
  TABLEPIPE_WM_STORE: `file://${folder}/wm/`,
  HOME: folder,
};

/** Rows in the target; 0 before it is there. */
async function rowsThere(): Promise<number> {
  const there = await sql
    .query<{ n: number }>(`SELECT count(*)::int AS n FROM ${schema}.watched`)
    .catch(() => undefined);
  return there?.rows[0]?.n ?? 0;
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 50));
}

t.test('loads happen while the extract still runs, and the program ends with it', async (t) => {
  const position = (at: number): [string, string] => [`2024-01-01 00:00:0${at}.000000`, '1'];
  const receipts = [0, 1, 2].map((seq) =>
    orders(folder, [[seq, `v${seq}`, seq]], seq, { from: seq === 0 ? null : position(seq - 1), to: position(seq) }),
  );
  const [first = '', second = '', ...rest] = receiptStream(receipts).split(/(?<=\n)/);
  const advance = start('wm', ['advance', 'shop.orders', '--flush-files', '1'], { env });
  const advanced = collected(advance, 'wm advance');
  advance.stdin?.write(first);
  await until(async () => (await run('wm', ['get', 'shop.orders', '--json'], { env })).stdout.includes('"running"'));

  const words = [`${schema}.watched`, '--from-store', 'shop.orders', '--create', '--watch', '--poll', '100ms'];
  const watching = start('rs-copy', words, { env });
  const watched = collected(watching, 'rs-copy --watch');
  await until(async () => (await rowsThere()) === 1);
  advance.stdin?.write(second);
  await until(async () => (await rowsThere()) === 2);
  t.same([advance.exitCode, watching.exitCode], [null, null], 'both still run');
  advance.stdin?.end(rest.join(''));
  demandCode(await advanced);
  const lines = demandCode(await watched)
    .stdout.toString()
    .trim()
    .split('\n');
  t.equal(await rowsThere(), 3);
  t.same(
    lines.map((line) => (JSON.parse(line) as { rows: number }).rows),
    [1, 1, 1, 3],
    'three loads and the end line',
  );
});

t.test('with nothing running it loads what is there and ends', async (t) => {
  const words = [`${schema}.later`, '--from-store', 'shop.orders', '--create', '--watch', '--poll', '10m'];
  const ended = demandCode(await run('rs-copy', words, { env }));
  t.match(ended.stdout.toString(), /"type":"end","status":"complete"/);
});
