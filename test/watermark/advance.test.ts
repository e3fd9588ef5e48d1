import t from 'tap';
import { Failure } from '../../src/errors.js';
import { type Receipt, type ReceiptItem, receiptLine } from '../../src/receipt.js';
import { advance } from '../../src/watermark/advance.js';
import { type Chain, openChain } from '../../src/watermark/chain.js';
import { foldSet, emptyState } from '../../src/watermark/state.js';
import { MemoryStore } from './memory-store.js';
import { bytesOf, endOf, linesOf, positionAt, receiptsFrom } from './receipts.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const { signal } = new AbortController();

interface Delivered {
  items: ReceiptItem[];
  /** `complete`, or the kind of failure. */
  ended: string;
  message: string;
}

function newChain(): { store: MemoryStore; chain: Chain } {
  const store = new MemoryStore();
  return { store, chain: openChain(store, 'shop.orders', { by: 'test', signal, patienceMs: 1_000 }) };
}

async function deliver(
  chain: Chain,
  input: string | AsyncIterable<Uint8Array>,
  flushFiles = 1000,
  flushMs = 60_000,
): Promise<Delivered> {
  const bytes = typeof input === 'string' ? bytesOf(input) : input;
  const items: ReceiptItem[] = [];
  try {
    for await (const line of advance(chain, { flushMs, flushFiles, runId: 'x' })(bytes, signal))
      items.push(JSON.parse(line) as ReceiptItem);
    return { items, ended: 'complete', message: '' };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { items, ended: error.kind, message: error.message };
  }
}

const objects = (delivered: Delivered): Receipt[] => delivered.items.filter((item) => item.type === 'object');
const stateOf = async (chain: Chain) => (await chain.read())?.doc.state;

t.test('receipts go on with their generation, and only committed ones do', async (t) => {
  const { chain } = newChain();
  const done = await deliver(chain, linesOf(receiptsFrom(0, 5)), 2);
  t.equal(done.ended, 'complete');
  t.same(
    objects(done).map(({ generation }) => generation),
    [1, 1, 2, 2, 3],
  );
  t.same(done.items.at(-1), endOf(receiptsFrom(0, 5)), 'the end line goes on as it came');
  t.match(await stateOf(chain), {
    cursor: ['5'],
    mysql_status: 'success',
    mysql_rows_extracted: 50,
    s3_file_count: 5,
    pending_files: 5,
  });
  const { doc } = await chain.generation(2);
  t.match(doc, { from: ['2'], to: ['4'], kind: 'stored', read: 'incremental', run_id: 'run' });
  t.equal(doc.receipts.length, 2);
});

t.test('a stream cut at any byte commits whole receipts only, and says so', async (t) => {
  const text = linesOf(receiptsFrom(0, 3));
  const odd: string[] = [];
  for (let length = 0; length < text.length; length += 1) {
    const { chain } = newChain();
    const done = await deliver(chain, text.slice(0, length));
    const state = await stateOf(chain);
    const whole = receiptsFrom(0, 3).filter(
      (_, at) => length >= linesOf(receiptsFrom(0, at + 1), true).length - 1,
    ).length;
    const end = done.items.at(-1);
    const fine =
      (length === text.length - 1
        ? done.ended === 'complete'
        : ['truncated', 'data'].includes(done.ended) &&
          end?.type === 'end' &&
          end.status === 'aborted' &&
          (end.code === 82 || end.code === 65)) &&
      objects(done).length === (state?.s3_file_count ?? 0) &&
      (state?.s3_file_count ?? 0) <= whole &&
      (state?.s3_file_count ?? 0) >= whole - 1 &&
      state?.mysql_status !== (length === text.length - 1 ? 'failed' : 'success');
    if (!fine) odd.push(`${length}: ${done.ended} ${state?.s3_file_count} ${whole} ${state?.mysql_status}`);
  }
  t.same(odd, [], `${text.length} offsets`);
});

t.test('an aborted stream gives its own status and is not success', async (t) => {
  const { chain } = newChain();
  const receipts = receiptsFrom(0, 2);
  const text = linesOf(receipts, true) + receiptLine(endOf(receipts, { status: 'aborted', code: 75 }));
  const done = await deliver(chain, text);
  t.equal(done.ended, 'temporary');
  t.match(done.items.at(-1), { type: 'end', status: 'aborted', code: 75, objects: 2, rows: 20 });
  t.match(await stateOf(chain), { cursor: ['2'], mysql_status: 'failed' });
});

/** Changes that must be refused with 65, naming the receipt; nothing after the damage is committed. */
const damages: [string, (all: Receipt[]) => unknown[]][] = [
  ['reordered', ([a, b, c]) => [a, c, b]],
  ['one left out', ([a, , c]) => [a, c]],
  ['one left out and renumbered', ([a, , c]) => [a, { ...c, seq: 1 }]],
  ['one twice', ([a, b, c]) => [a, b, b, c]],
  ['another table', ([a, b, c]) => [a, { ...b, table: 'shop.other' }, c]],
  ['another run', ([a, b, c]) => [a, { ...b, run_id: 'other' }, c]],
  ['an edited `from`', ([a, b, c]) => [a, { ...b, from: ['7'] }, c]],
  ['other cursor columns', ([a, b, c]) => [a, { ...b, cursor_columns: ['ts'] }, c]],
  ['no rows', ([a, b, c]) => [a, { ...b, rows: null }, c]],
  ['a number in a position', ([a, b, c]) => [a, { ...b, to: [2] }, c]],
  ['null where a position ends', ([a, b, c]) => [a, { ...b, to: null }, c]],
  ['too many values', ([a, b, c]) => [a, { ...b, to: ['2', '3'] }, c]],
  ['going backwards', ([a, b, c]) => [a, { ...b, to: ['0'] }, c]],
  ['another kind of read', ([a, b, c]) => [a, { ...b, read: 'backfill' }, c]],
  ['not JSON', ([a, b, c]) => [a, '{"type":', b, c]],
  ['not an object', ([a, b, c]) => [a, 'null', b, c]],
];

for (const [name, change] of damages) {
  t.test(`refused: ${name}`, async (t) => {
    const { chain } = newChain();
    const receipts = receiptsFrom(0, 3);
    const lines = change(receipts).map((one) => (typeof one === 'string' ? `${one}\n` : `${JSON.stringify(one)}\n`));
    const done = await deliver(chain, lines.join('') + receiptLine(endOf(receipts)), 1);
    t.equal(done.ended, 'data', done.message);
    const last = name === 'one twice' ? ['2'] : ['1'];
    t.same((await stateOf(chain))?.cursor, last, 'what came before the damage stands');
  });
}

t.test("counts that do not add up are 65; another table's or run's end line too", async (t) => {
  for (const more of [{ rows: 31 }, { objects: 4 }, { table: 'shop.other' }, { run_id: 'other' }]) {
    const { chain } = newChain();
    const receipts = receiptsFrom(0, 3);
    const done = await deliver(chain, linesOf(receipts, true) + receiptLine(endOf(receipts, more)));
    t.equal(done.ended, 'data', JSON.stringify(more));
    t.match(done.items.at(-1), { type: 'end', status: 'aborted', code: 65 });
    t.not((await stateOf(chain))?.mysql_status, 'success');
  }
});

t.test('a gap or an overlap with the chain is 80, with nothing changed', async (t) => {
  const { chain } = newChain();
  await deliver(chain, linesOf(receiptsFrom(0, 3, 'first')));
  for (const start of [0, 1, 2, 4, 9]) {
    const done = await deliver(chain, linesOf(receiptsFrom(start, 2, 'second')));
    t.equal(done.ended, 'conflict', `from ${start}`);
    t.same(done.items, [{ ...endOf([]), run_id: 'x', status: 'aborted', code: 80 }]);
  }
  t.equal((await chain.read())?.doc.generation, 1);
});

t.test('the same receipts again are passed on and stored once; also half of them and more', async (t) => {
  const { chain } = newChain();
  await deliver(chain, linesOf(receiptsFrom(0, 4)), 2);
  const again = await deliver(chain, linesOf(receiptsFrom(0, 6)), 2);
  t.equal(again.ended, 'complete');
  t.same(
    objects(again).map(({ generation }) => generation),
    [1, 1, 2, 2, 4, 4],
  );
  t.match(await stateOf(chain), { cursor: ['6'], mysql_rows_extracted: 60, s3_file_count: 6 });
  const changed = receiptsFrom(0, 4).map((one) => ({ ...one, crc32: 'ffffffff' }));
  t.equal(
    (await deliver(chain, linesOf(changed))).ended,
    'conflict',
    'the same name with other content is not the same',
  );
});

t.test('after a reset the same objects count anew', async (t) => {
  const { chain } = newChain();
  await deliver(chain, linesOf(receiptsFrom(0, 2)));
  await chain.commit((_tail, _next, at) => ({ kind: 'reset', run_id: 'r', state: emptyState(at) }));
  const again = await deliver(chain, linesOf(receiptsFrom(0, 2)));
  t.same(
    objects(again).map(({ generation }) => generation),
    [3, 3],
  );
});

t.test('a cursor set by hand is a prefix; the receipt that begins there is taken and names the columns', async (t) => {
  const { chain } = newChain();
  const prefix = ['2024-01-01 00:00:00'];
  await chain.commit((_tail, _next, at) => ({
    kind: 'set',
    run_id: 'r',
    to: prefix,
    state: foldSet(emptyState(at), prefix, [], at),
  }));
  const columns = ['update_at', 'id'];
  const [one] = receiptsFrom(0, 1);
  const receipt = {
    ...one,
    cursor_columns: columns,
    from: prefix,
    to: ['2024-01-01 00:00:00.5', '18446744073709551615'],
  } as Receipt;
  t.equal((await deliver(chain, linesOf([receipt]))).ended, 'complete');
  t.match(await stateOf(chain), { cursor: ['2024-01-01 00:00:00.5', '18446744073709551615'], cursor_columns: columns });
  const other = {
    ...receipt,
    cursor_columns: ['update_at', 'key'],
    from: receipt.to,
    to: ['2024-01-02 00:00:00', '1'],
  } as Receipt;
  t.equal((await deliver(chain, linesOf([other]))).ended, 'data', 'other columns are refused');
});

t.test('texts stay texts: empty, None, NULL, zero dates and composite keys come back as they were', async (t) => {
  const { chain } = newChain();
  const values = [
    ['', 'None'],
    ['NULL', ''],
    ['0000-00-00 00:00:00.000000', '007'],
    ['ä\u0000"\\', '\u202e'],
    ['9007199254740993', '1e3'],
  ];
  let from: readonly string[] | null = null;
  const receipts = values.map((to, seq) => {
    const receipt = { ...receiptsFrom(seq, 1)[0], seq, cursor_columns: ['a', 'b'], from, to } as Receipt;
    from = to;
    return receipt;
  });
  for (let seq = 0; seq < receipts.length; seq += 1) {
    t.equal((await deliver(chain, linesOf([{ ...receipts[seq], seq: 0 } as Receipt]))).ended, 'complete');
    t.same((await stateOf(chain))?.cursor, values[seq]);
  }
});

function backfill(start: number, count: number, run: string, until: string): Receipt[] {
  return receiptsFrom(start, count, run).map((one) => ({ ...one, read: 'backfill', until }) as Receipt);
}

t.test(
  'a backfill keeps a position of its own, and sets the cursor to its first bound when it is complete',
  async (t) => {
    const { chain } = newChain();
    const cut = await deliver(chain, linesOf(backfill(0, 3, 'one', '2024-01-01 00:00:00.000000'), true), 2);
    t.equal(cut.ended, 'truncated');
    t.match(await stateOf(chain), {
      cursor: null,
      backfill: { to: ['3'], until: '2024-01-01 00:00:00.000000', status: 'running' },
    });
    t.equal(
      (
        await deliver(
          chain,
          linesOf(receiptsFrom(5, 1, 'wrong').map((one) => ({ ...one, read: 'backfill' }) as Receipt)),
        )
      ).ended,
      'conflict',
    );
    const rest = await deliver(chain, linesOf(backfill(3, 2, 'two', '2024-02-02 00:00:00.000000')));
    t.equal(rest.ended, 'complete');
    t.match(await stateOf(chain), {
      cursor: ['2024-01-01 00:00:00.000000'],
      cursor_columns: [],
      backfill: { to: ['5'], status: 'complete' },
      mysql_rows_extracted: 50,
    });
  },
);

t.test('a backfill killed before its end line is completed by a rerun that finds no row', async (t) => {
  const { chain } = newChain();
  await deliver(chain, linesOf(backfill(0, 2, 'one', '2024-01-01 00:00:00'), true));
  const end = endOf([], { run_id: 'two', read: 'backfill', from: ['2'] });
  t.equal((await deliver(chain, receiptLine(end))).ended, 'complete');
  t.match(await stateOf(chain), { cursor: ['2024-01-01 00:00:00'], backfill: { status: 'complete' } });
});

t.test('a read that was cut before its end line is a success once a rerun finds nothing more', async (t) => {
  const { chain } = newChain();
  await deliver(chain, linesOf(receiptsFrom(0, 2), true));
  t.equal((await stateOf(chain))?.mysql_status, 'failed');
  const nothing = (from: string[]): string => receiptLine(endOf([], { run_id: 'two', read: 'incremental', from }));
  await deliver(chain, nothing(['1']));
  t.equal((await stateOf(chain))?.mysql_status, 'failed', 'a read from elsewhere says nothing about it');
  await deliver(chain, nothing(['2']));
  t.match(await stateOf(chain), { mysql_status: 'success', cursor: ['2'], mysql_rows_extracted: 20, pending_files: 2 });
  await deliver(chain, nothing(['2']));
  t.equal((await chain.read())?.doc.generation, 2, 'and then nothing more is written');
});

t.test('an incremental run that is further on than a later backfill is not set back', async (t) => {
  const { chain } = newChain();
  const [one] = receiptsFrom(0, 1);
  const to = ['2024-06-01 00:00:00', '9'];
  await deliver(chain, linesOf([{ ...one, cursor_columns: ['update_at', 'id'], to } as Receipt]));
  await deliver(chain, linesOf(backfill(0, 2, 'fill', '2024-01-01 00:00:00')));
  t.same((await stateOf(chain))?.cursor, to);
});

t.test(
  'a snapshot is one generation, committed with its end line or not at all; unchanged, it is a no-op',
  async (t) => {
    const { chain } = newChain();
    const receipts = receiptsFrom(0, 3, 'snap').map(
      (one) => ({ ...one, read: 'snapshot', from: null, to: null, cursor_columns: [] }) as Receipt,
    );
    t.equal((await deliver(chain, linesOf(receipts, true), 1)).ended, 'truncated');
    t.equal(await chain.read(), undefined, 'nothing of a cut snapshot');
    t.equal((await deliver(chain, linesOf(receipts), 1, 1)).ended, 'complete');
    t.match(await stateOf(chain), {
      cursor: null,
      pending_files: 3,
      backup_strategy: 'snapshot',
      mysql_status: 'success',
    });
    const again = await deliver(chain, linesOf(receipts), 1);
    t.same(
      objects(again).map(({ generation }) => generation),
      [1, 1, 1],
    );
    t.equal((await chain.read())?.doc.generation, 1);
  },
);

t.test('a receipt waits no longer than the flush interval; a burst shares a generation', async (t) => {
  const { chain } = newChain();
  const receipts = receiptsFrom(0, 200);
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(linesOf(receipts.slice(0, 100), true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    yield Buffer.from(linesOf(receipts.slice(100), true) + receiptLine(endOf(receipts)));
  }
  const done = await deliver(chain, slow(), 1000, 50);
  t.equal(done.ended, 'complete');
  t.same([...new Set(objects(done).map(({ generation }) => generation))], [1, 2]);
});

t.test('an input that brings nothing changes nothing', async (t) => {
  const { chain, store } = newChain();
  t.equal((await deliver(chain, receiptLine(endOf([])))).ended, 'complete');
  t.equal((await deliver(chain, '')).ended, 'truncated');
  t.same([...store.files.keys()], [], 'not a single file');
  t.same(positionAt(0), null);
});
