/**
 * A first load while a writer updates, inserts and deletes: read by primary key up to the settled bound, killed and
 * gone on with, then incremental reads. Upserted by key, the result is the table.
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { collected, start } from '../support/program.js';
import { servers } from '../support/servers.js';
import type { Work, Written } from './live-writer.js';
import { type Extracted, extract, scratch, taken } from './scratch.js';

t.setTimeout(120_000);
const db = await scratch('backfill');
t.teardown(() => db.drop());
const ROWS = 30_000;
const PER_SECOND = 500;
/** Statements between the first and the last row of one read, and in all. */
const DURING = 1_000;
const IN_ALL = 2_500;

await db.run(`CREATE TABLE live (id INT AUTO_INCREMENT PRIMARY KEY, v BIGINT NOT NULL, pad VARCHAR(100) NOT NULL,
  update_at TIMESTAMP(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (update_at))`);
await db.run(`INSERT INTO live (v, pad, update_at) SELECT 0, REPEAT('x', 80), '2024-01-01' FROM seq_1_to_${ROWS}`);
const [clock] = await db.run('SELECT CAST(UTC_TIMESTAMP(6) - INTERVAL 3 SECOND AS CHAR) AS began');
const began = String(clock?.began);
const TABLE = `${db.name}.live`;
const WORDS = [TABLE, '--batch-size', '2500', '--format', 'ndjson', '--lag', '0'];
const ENV = { TABLEPIPE_MYSQL_URL: servers().mysqlUrl, HOME: '/nonexistent' };

/** Statements the server has answered; the writer's stop. */
const shared = new Int32Array(new SharedArrayBuffer(8));
const made = (): number => Atomics.load(shared, 0);

function startWriter(): Promise<[Written]> {
  const url = new URL(servers().mysqlUrl);
  url.pathname = `/${db.name}`;
  const work: Work = { url: url.href, perSecond: PER_SECOND, rows: ROWS, shared };
  const file = fileURLToPath(new URL('live-writer.js', import.meta.url));
  return once(new Worker(file, { workerData: work }), 'message') as Promise<[Written]>;
}

async function writerHasMade(statements: number): Promise<void> {
  while (made() < statements) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Reads with a reader that stops in the middle, so that the writer makes its statements while the read goes on. */
async function slowRead(words: readonly string[]): Promise<Extracted & { during: number }> {
  const child = start('mysql-extract', words, { env: ENV });
  const reading = collected(child, `mysql-extract ${words.join(' ')}`);
  await once(child.stdout ?? child, 'data');
  const first = made();
  child.stdout?.pause();
  await writerHasMade(first + DURING);
  child.stdout?.resume();
  const ended = await reading;
  return { ended, during: made() - first, ...taken(ended.stdout.toString()) };
}

t.test('no row lost, none stale, while 500 statements a second go on', async (t) => {
  const written = startWriter();
  await writerHasMade(100);
  const copy = new Map<unknown, string>();
  let delivered = 0;
  const take = ({ rows }: Pick<Extracted, 'rows'>): void => {
    for (const row of rows) copy.set(row.id, `${String(row.v)} ${String(row.update_at)}`);
    delivered += rows.length;
  };

  const slow = { TABLEPIPE_UNSAFE_FAILPOINTS: 'mysql-extract.after-page=kill@4' };
  const killed = await collected(start('mysql-extract', WORDS, { env: { ...ENV, ...slow } }), 'killed');
  t.equal(killed.signal, 'SIGKILL');
  const text = killed.stdout.toString();
  const part = taken(text.slice(0, text.lastIndexOf('\n') + 1));
  t.equal(part.end, undefined, 'a killed read has no end');
  // Like a watermark: where the files of the first run ended, and a bound no later than the one it began with.
  take(part);
  const at = String(part.rows.at(-1)?.id);
  const rest = await slowRead([...WORDS, '--since', JSON.stringify({ backfill: [at], until: began })]);
  t.match(rest.end, { status: 'complete', cursor_columns: ['id'] });
  t.ok(rest.during >= DURING, `${rest.during} statements were made between its first and its last row`);
  take(rest);
  t.equal(copy.size, delivered, 'the first load brings no row twice');
  t.ok(delivered < ROWS, `${ROWS - delivered} rows were changed before it came to them`);

  // The killed run never printed its bound; a time before it began is at most earlier.
  let since: readonly string[] = [began];
  let changedMeanwhile = 0;
  const next = async (): Promise<string> => {
    const one = await extract([TABLE, '--since', JSON.stringify(since), '--lag', '0', '--batch-size', '1000']);
    t.match(one.end, { status: 'complete' });
    changedMeanwhile += one.rows.length;
    take(one);
    since = one.end?.to ?? since;
    return one.end?.until?.rule ?? '';
  };
  await next();
  await writerHasMade(IN_ALL);
  await next();
  Atomics.store(shared, 1, 1);
  const [{ deleted, counted, perSecond }] = await written;
  await new Promise((resolve) => setTimeout(resolve, 200));
  // Another test on this server may have a transaction open; then the last run is the one after it has ended.
  while (!(await next()).includes('clock')) await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(counted, made(), 'the server counts as many statements');
  // A machine that is busy with other work does not reach 500; that reading and writing overlapped was seen above.
  t.comment(`the writer made ${counted} statements, ${Math.round(perSecond)} a second`);
  t.ok(changedMeanwhile > DURING / 2, `${changedMeanwhile} rows came twice: changed while they were read`);
  const source = await db.run("SELECT id, v, DATE_FORMAT(update_at, '%Y-%m-%dT%H:%i:%s.%fZ') AS at FROM live");
  const lost = source.filter((row) => copy.get(row.id) !== `${String(row.v)} ${String(row.at)}`);
  t.same(lost.slice(0, 5), [], 'every row is there in its last version');
  const there = new Set(source.map((row) => row.id));
  const gone = new Set<unknown>(deleted);
  const ghosts = [...copy.keys()].filter((id) => !gone.has(id) && !there.has(id));
  t.same(ghosts, [], 'the only rows too many are those deleted at the source');
  t.comment(`${delivered} rows delivered for ${source.length}`);
});
