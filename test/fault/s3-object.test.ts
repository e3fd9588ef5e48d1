/**
 * Thirteen faults times eight operations, once and twice, between the sink and a real store: the object is there with
 * its bytes, nothing is left behind, and the fault did happen (reference/reliability.md 6.2).
 */
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { listObjects } from '../../src/source/listing.js';
import { openObject } from '../../src/source/object.js';
import { OPERATIONS } from '../support/s3-operation.js';
import { FAULTS } from '../support/s3-proxy.js';
import { MIB, S3Scratch, chunksOf } from '../support/s3-scratch.js';

const { signal } = new AbortController();
const small = randomBytes(100_000);
const large = randomBytes(5 * MIB + 4_321);

async function stores(t: Test, s3: S3Scratch, bytes: Buffer): Promise<void> {
  const key = s3.key();
  const receipt = await s3.sink(key)(chunksOf(bytes), signal);
  t.match(receipt, { url: `s3://${s3.bucket}/${key}`, bytes: bytes.length });
  t.ok((await s3.content(key))?.equals(bytes), 'the bytes are the bytes');
  t.equal((await s3.head(key)).ETag, receipt.etag);
}

/** What is done while the fault waits, and what must hold afterwards. */
const scenes: Record<(typeof OPERATIONS)[number], (t: Test, s3: S3Scratch) => Promise<void>> = {
  put: (t, s3) => stores(t, s3, small),
  create: (t, s3) => stores(t, s3, large),
  part: (t, s3) => stores(t, s3, large),
  complete: (t, s3) => stores(t, s3, large),
  head: (t, s3) => stores(t, s3, large),
  async abort(t, s3) {
    const key = s3.key();
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield* chunksOf(large);
      yield large;
      throw new Error('the input broke');
    };
    await t.rejects(s3.sink(key)(broken(), signal), { message: 'the input broke' });
    t.equal(await s3.content(key), undefined);
  },
  async get(t, s3) {
    const key = `${s3.prefix}read`;
    s3.faults.hold();
    await s3.sink(key)(chunksOf(large), signal);
    s3.faults.resume();
    const object = await openObject(`s3://${s3.bucket}/${key}`, { s3: async () => s3.client, signal });
    t.ok((await object.read(1_000, 3_000_000)).equals(large.subarray(1_000, 3_000_000)));
  },
  async list(t, s3) {
    const found = [];
    const empty = `${s3.url}nothing/`;
    for await (const one of listObjects(empty, { s3: async () => s3.client, signal })) found.push(one);
    t.same(found, []);
  },
};

/** After these the store has acted: looking at what is there may end the matter before the fault comes again. */
const acted = (fault: (typeof FAULTS)[number]): boolean =>
  ['lose-answer', 'reset-after', 'cut-answer'].includes(String(fault));

t.setTimeout(290_000);
t.jobs = OPERATIONS.length;
for (const operation of OPERATIONS) {
  t.test(`${operation}: ${FAULTS.length} faults, once and twice`, async (t) => {
    const s3 = await S3Scratch.open(1_000);
    for (const fault of FAULTS) {
      for (const times of [1, 2]) {
        s3.faults.clear();
        s3.faults.arm({ operation, fault, times });
        await t.test(`${fault} x ${times}`, async (t) => {
          await scenes[operation](t, s3);
          t.ok(acted(fault) ? s3.faults.fired() > 0 : s3.faults.fired() === times, 'the fault happened');
          t.same(await s3.uploads(), [], 'no parts are left behind');
        });
      }
    }
    await s3.close();
  });
}
