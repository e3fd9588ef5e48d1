import fc from 'fast-check';
import t from 'tap';
import { ResultPackets } from '../../src/source/mysql-packets.js';

/** A packet of the protocol. */
function packet(sequence: number, payload: Uint8Array | string): Buffer {
  const body = Buffer.from(payload as string, 'latin1');
  const header = Buffer.alloc(4);
  header.writeUIntLE(body.length, 0, 3);
  header[3] = sequence & 0xff;
  return Buffer.concat([header, body]);
}

const EOF = '\xfe\0\0\x02\0';

/** Two packets before the rows, the rows, and what ends them, numbered as a server does. */
function result(rows: readonly (Uint8Array | string)[], last = EOF): Buffer {
  const all = ['one column', EOF, ...rows, last];
  return Buffer.concat(all.map((payload, index) => packet(index + 1, payload)));
}

interface Taken {
  passed: string[];
  rows: string[];
  calls: number;
  ended: number;
}

/** Takes the chunks, each in memory that is overwritten afterwards. */
function taken(chunks: readonly Uint8Array[]): Taken {
  const seen: Taken = { passed: [], rows: [], calls: 0, ended: 0 };
  const packets = new ResultPackets({
    hasFields: () => seen.passed.length >= 1,
    pass: (bytes) => seen.passed.push(bytes.toString('latin1')),
    rows: ({ bytes, starts, ends, count }) => {
      seen.calls += 1;
      for (let row = 0; row < count; row += 1)
        seen.rows.push(Buffer.from(bytes.subarray(starts[row], ends[row])).toString('latin1'));
    },
    ended: () => (seen.ended += 1),
  });
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    packets.take(lent);
    lent.fill(0x55);
  }
  return seen;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const all = [0, ...places.toSorted((a, b) => a - b), bytes.length];
  return all.slice(1).map((end, index) => bytes.subarray(all[index], end));
}

const ROWS = ['\x01a', '\xfb', `\xfc\x2c\x01${'x'.repeat(300)}`, '\x00', '\x03abc'];

t.test('rows go to the reader at once, the rest to mysql2, which counts from the first row', async (t) => {
  const seen = taken([result(ROWS)]);
  t.same(seen.rows, ROWS);
  t.equal(seen.calls, 1);
  t.equal(seen.ended, 1);
  t.same(
    seen.passed,
    [packet(1, 'one column'), packet(2, EOF), packet(3, EOF)].map((each) => each.toString('latin1')),
  );
});

t.test('the same whatever pieces the bytes come in', async (t) => {
  const bytes = result(ROWS);
  const whole = taken([bytes]);
  const { calls: _, ...expected } = whole;
  for (let at = 1; at < bytes.length; at += 1) {
    const { calls, ...seen } = taken(cut(bytes, [at]));
    t.ok(calls > 0);
    if (JSON.stringify(seen) !== JSON.stringify(expected)) t.same(seen, expected, `cut at ${at}`);
  }
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ maxLength: 400 }).map((text) => `\x01${text}`),
        { maxLength: 600 },
      ),
      fc.array(fc.nat(), { maxLength: 60 }),
      (rows, places) => {
        const sent = result(rows.map((text) => Buffer.from(text, 'utf8').toString('latin1')));
        const seen = taken(
          cut(
            sent,
            places.map((place) => place % sent.length),
          ),
        );
        return seen.ended === 1 && seen.passed.length === 3 && seen.rows.length === rows.length;
      },
    ),
    { numRuns: 60 },
  );
  t.same(taken(Array.from(bytes, (byte) => Uint8Array.of(byte))).rows, ROWS, 'byte by byte');
});

t.test('rows of 16 MiB and more, one of them exactly as long as a packet, arrive whole', async (t) => {
  const long = Buffer.alloc(0xffffff + 10, 'y');
  const exact = Buffer.alloc(0xffffff, 'z');
  // Its first byte looks like an EOF, its length does not.
  long[0] = exact[0] = 0xfe;
  const bytes = Buffer.concat([
    packet(1, 'one column'),
    packet(2, EOF),
    packet(3, long.subarray(0, 0xffffff)),
    packet(4, long.subarray(0xffffff)),
    packet(5, exact),
    packet(6, ''),
    packet(7, '\x01a'),
    packet(8, EOF),
  ]);
  for (const chunkBytes of [bytes.length, 100_003]) {
    const places = Array.from(
      { length: Math.ceil(bytes.length / chunkBytes) - 1 },
      (_, index) => (index + 1) * chunkBytes,
    );
    const { rows, ended } = taken(cut(bytes, places));
    t.equal(ended, 1);
    t.same(
      rows.map((row) => [row.length, row.at(-1)]),
      [
        [long.length, 'y'],
        [exact.length, 'z'],
        [2, 'a'],
      ],
    );
  }
});

t.test('an error ends the rows, and packets out of order are refused', async (t) => {
  const error = '\xff\x25\x05#70100killed';
  const { rows, passed, ended } = taken([result(ROWS, error)]);
  t.same([rows.length, ended], [ROWS.length, 1]);
  t.equal(passed.at(-1), packet(3, error).toString('latin1'));
  const bytes = result(Array.from({ length: 300 }, () => '\x01a'));
  t.equal(taken([bytes]).rows.length, 300, 'numbers begin again after 255');
  const swapped = Buffer.from(bytes);
  const second = packet(1, 'one column').length + packet(2, EOF).length + packet(3, '\x01a').length;
  swapped[second + 3] = 9;
  t.throws(() => taken([swapped]), { kind: 'protocol', message: 'the server sent packet 9 where 4 was due' });
  t.throws(() => taken(cut(swapped, [second + 2])), { kind: 'protocol', message: /packet 9/ });
});
