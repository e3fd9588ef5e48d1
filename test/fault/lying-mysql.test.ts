/** A server that lies about lengths and numbers, and one that is no MySQL at all (row 81): an error in time, in bounded memory. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import t from 'tap';
import { type Lie, repacked, startLyingServer } from '../fixture/lying-mysql.js';
import { taken } from '../plan/scratch.js';
import { peakMiB } from '../support/memory-peak.js';
import { type Ended, collected, start } from '../support/program.js';
import { connectSource, servers } from '../support/servers.js';

t.setTimeout(300_000);
const id = `lying_${randomBytes(4).toString('hex')}`;
const source = await connectSource();
await source.query(`CREATE DATABASE ${id}`);
await source.query(
  `CREATE TABLE ${id}.rows_ (id INT PRIMARY KEY, name VARCHAR(100) NOT NULL, update_at TIMESTAMP(6) NOT NULL, KEY (update_at, id))`,
);
await source.query(`INSERT INTO ${id}.rows_ SELECT seq, REPEAT('x', 90), '2024-01-01' FROM seq_1_to_2000`);
t.teardown(async () => {
  await source.query(`DROP DATABASE ${id}`);
  await source.end();
});

/** Three columns: packet 0 counts them, 1 to 3 describe them, 4 ends that, and the rows follow. */
const [COUNT, COLUMN, FIRST_ROW, ROW] = [0, 1, 5, 100];
const at =
  (wanted: number, lie: (packet: Buffer) => Buffer): Lie =>
  (packet, number) =>
    number === wanted ? lie(packet) : packet;
const payload = (packet: Buffer): Buffer => packet.subarray(4);
const withLength = (packet: Buffer, length: number): Buffer => {
  packet.writeUIntLE(length, 0, 3);
  return packet;
};
const HUGE = Buffer.from('feffffffffffffff3f', 'hex');
/** An error of the server (MySQL manual, "ERR_Packet"): number 1105, state HY000, and a message without end. */
const ENDLESS = Buffer.concat([Buffer.from('ff5104', 'hex'), Buffer.from('#HY000'), Buffer.alloc(12 << 20, 'lies ')]);

const LIES: readonly (readonly [name: string, lie: Lie])[] = [
  ['a packet longer than what comes of it', at(ROW, (packet) => withLength(packet, packet.length + 1_000))],
  ['a packet of 16 MiB that never comes', at(FIRST_ROW, (packet) => withLength(packet, 0xfffffe))],
  ['a packet shorter than its row', at(ROW, (packet) => withLength(packet, 10))],
  ['a packet of nothing', at(ROW, (packet) => repacked(packet, Buffer.alloc(0)))],
  [
    'a value of 4 EiB',
    at(ROW, (packet) => repacked(packet, Buffer.concat([Buffer.from('0131', 'hex'), HUGE, payload(packet)]))),
  ],
  ['a value longer than its row', at(ROW, (packet) => repacked(packet, Buffer.from('0131fa78', 'hex')))],
  ['a row of too few values', at(ROW, (packet) => repacked(packet, payload(packet).subarray(0, 2)))],
  [
    'a row of too many values',
    at(ROW, (packet) => repacked(packet, Buffer.concat([payload(packet), Buffer.from('0131', 'hex')]))),
  ],
  ['a number no packet has here', at(ROW, (packet) => ((packet[3] = (packet[3] as number) ^ 0x40), packet))],
  [
    'rows of no number',
    at(ROW, (packet) => repacked(packet, Buffer.concat([Buffer.from('026869', 'hex'), payload(packet).subarray(3)]))),
  ],
  ['more columns than there are atoms', at(COUNT, (packet) => repacked(packet, HUGE))],
  ['a column described in half', at(COLUMN, (packet) => repacked(packet, payload(packet).subarray(0, 9)))],
  ['an error of 12 MiB', at(ROW, (packet) => repacked(packet, ENDLESS))],
];

async function extract(port: number): Promise<{ ended: Ended; peak: number; ms: number }> {
  const url = new URL(servers().mysqlUrl);
  url.port = String(port);
  const words = [
    `${id}.rows_`,
    '--format',
    'ndjson',
    '--idle-timeout',
    '1s',
    '--retry-max-time',
    '2s',
    '--ssl-mode',
    'disabled',
  ];
  const began = performance.now();
  const child = start('mysql-extract', words, { env: { TABLEPIPE_MYSQL_URL: url.href, HOME: '/nonexistent' } });
  const peak = peakMiB(child);
  const ended = await collected(child, 'mysql-extract');
  return { ended, peak: await peak, ms: performance.now() - began };
}

for (const [name, lie] of LIES) {
  t.test(name, async (t) => {
    const server = await startLyingServer(Number(new URL(servers().mysqlUrl).port), lie);
    t.teardown(() => server.close());
    const { ended, peak, ms } = await extract(server.port);
    t.comment(`${ended.code} in ${Math.round(ms)} ms, ${peak} MiB: ${ended.stderr.slice(0, 300)}`);
    t.ok([65, 75, 76].includes(ended.code ?? 0), `${ended.code}: ${ended.stderr.slice(0, 1_000)}`);
    t.equal(taken(ended.stdout.toString()).end?.status, 'aborted');
    t.ok(peak < 200, `${peak} MiB`);
    // mysql2 prints a trace of its own at some of these, for each connection.
    t.ok(ended.stderr.length < 20_000, `${ended.stderr.length} letters of words`);
  });
}

t.test('connections that die after every 500 rows: each brings its rows, and the read comes to its end', async (t) => {
  const lie = at(FIRST_ROW + 500, (packet) => withLength(packet, 0xfffffe));
  const server = await startLyingServer(Number(new URL(servers().mysqlUrl).port), lie);
  t.teardown(() => server.close());
  const { ended } = await extract(server.port);
  t.equal(ended.code, 0, ended.stderr);
  t.same(
    taken(ended.stdout.toString()).rows.map((row) => row.id),
    Array.from({ length: 2_000 }, (_, index) => index + 1),
  );
});

t.test('a server that speaks HTTP', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { ended } = await extract((server.address() as AddressInfo).port);
  t.comment(ended.stderr);
  t.ok([75, 76, 78].includes(ended.code ?? 0), ended.stderr);
});
