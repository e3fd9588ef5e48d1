import t from 'tap';
import { Failure } from '../../src/errors.js';
import { openChain } from '../../src/watermark/chain.js';
import { type Generation, generationBytes, parseGeneration } from '../../src/watermark/generation.js';
import { emptyState, foldSet } from '../../src/watermark/state.js';
import { MemoryStore } from './memory-store.js';
import { said } from './said.js';

// On a busy machine everything takes ten times as long.
t.setTimeout(240_000);

const TABLE = 'shop.bestellungen-ä';
const signal = new AbortController().signal;

/** A chain of four generations, and the file of the last one. */
async function chainOfFour() {
  const store = new MemoryStore(false);
  const chain = openChain(store, TABLE, { by: 'test', signal, patienceMs: 0 });
  for (let at = 1; at <= 4; at += 1) {
    await chain.commit((tail, _next, when) => {
      const state = foldSet(
        tail?.link?.doc.state ?? emptyState(when),
        [`2024-01-0${at} ü`, '9007199254740993'],
        ['t', 'id'],
        when,
      );
      return { kind: 'set', run_id: 'r', to: state.cursor, state };
    });
  }
  const key = `${chain.folder}/0000000004.json`;
  return { store, chain, key, good: Buffer.from(store.files.get(key) ?? []) };
}

async function refusal(chain: Awaited<ReturnType<typeof chainOfFour>>['chain']): Promise<string> {
  return chain.read().then(
    () => 'accepted',
    (error: unknown) => (error instanceof Failure ? `${error.kind}: ${error.message}` : String(error)),
  );
}

t.test('a generation says what it was given, to the digit', async (t) => {
  const { good } = await chainOfFour();
  const { doc } = parseGeneration(good, TABLE, 4);
  t.same(doc.state.cursor, ['2024-01-04 ü', '9007199254740993']);
  t.match(doc.prev_sha256, /^[0-9a-f]{64}$/);
});

t.test('every truncation is refused, and the last good generation named', async (t) => {
  const { store, chain, key, good } = await chainOfFour();
  const odd: string[] = [];
  for (let length = 0; length < good.length; length += 1) {
    store.files.set(key, good.subarray(0, length));
    const said = await refusal(chain);
    if (!/^data: generation 4 of .* cannot be read: .*; the last good one is 3$/.test(said))
      odd.push(`${length}: ${said}`);
  }
  t.same(odd, [], `${good.length} truncations`);
});

t.test('10,000 mutations are refused, and the last good generation named', async (t) => {
  const { store, chain, key, good } = await chainOfFour();
  const seed = Number(process.env.TABLEPIPE_TEST_SEED ?? Date.now() % 1e9);
  t.comment(`TABLEPIPE_TEST_SEED=${seed}`);
  const random = lcg(seed);
  const odd: string[] = [];
  for (let n = 0; n < 10_000; n += 1) {
    const bytes = mutated(good, random);
    if (bytes.equals(good)) continue;
    store.files.set(key, bytes);
    const said = await refusal(chain);
    if (!/^(data|config): generation 4 of .* cannot be read: .*; the last good one is 3$/.test(said))
      odd.push(`${n}: ${said}`);
  }
  t.same(odd, []);
});

/** One to three changes: a bit, a byte, a piece cut out, doubled, or moved. */
function mutated(good: Buffer, random: (below: number) => number): Buffer {
  let bytes = Buffer.from(good);
  for (let count = 1 + random(3); count > 0; count -= 1) {
    const at = random(bytes.length);
    const length = 1 + random(20);
    const piece = bytes.subarray(at, at + length);
    const how = random(5);
    if (how === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
    if (how === 1) bytes[at] = random(256);
    if (how === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    if (how === 3) bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
    if (how === 4) bytes = Buffer.concat([piece, bytes.subarray(0, at), bytes.subarray(at + length)]);
  }
  return bytes;
}

function lcg(seed: number): (below: number) => number {
  let state = BigInt(seed);
  return (below) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(below));
  };
}

t.test('a newer format is refused with what to do; another table or number is refused', async (t) => {
  const { good } = await chainOfFour();
  const { doc } = parseGeneration(good, TABLE, 4);
  const newer = generationBytes({ ...doc, format: 'tablepipe.watermark/2' } as unknown as Generation);
  t.match(await said(() => parseGeneration(newer, TABLE, 4)), /^config: .*upgrade/);
  t.match(await said(() => parseGeneration(good, 'shop.other', 4)), /^data: .*belongs to the table/);
  t.match(await said(() => parseGeneration(good, TABLE, 5)), /^data: .*generation 4/);
});

t.test('a damaged chain can be brought back, and the damage stays visible', async (t) => {
  const { store, chain, key, good } = await chainOfFour();
  store.files.set(key, good.subarray(0, 100));
  t.match(await said(() => chain.read()), /^data: .*\| .*wm restore .* --generation 3/);
  const earlier = (await chain.generation(3)).doc.state;
  const link = await chain.commit((_tail, _next, when) => ({
    kind: 'restored',
    run_id: 'r',
    about: 3,
    state: foldSet(earlier, earlier.cursor, ['t', 'id'], when),
  }));
  t.equal(link?.doc.generation, 5);
  t.same((await chain.read())?.doc.state.cursor, ['2024-01-03 ü', '9007199254740993']);
});
