/**
 * A tar archive whose members are known only one after another: pax records, no times and no owners, so that equal
 * members give equal bytes. Its last member is the end record, because tar itself cannot tell a complete archive
 * from one cut between two members.
 */
import { type Pack, pack } from 'tar-stream';
import type { EndRecord } from '../end-record.js';

export const END_MEMBER = '_end.json';

/** Prefix of our pax records; other programs skip what they do not know. */
export const PAX_PREFIX = 'TABLEPIPE.';

export interface TarMember {
  name: string;
  bytes: number;
  /** Pax records, without the prefix. */
  records: Readonly<Record<string, string>>;
  body: AsyncIterable<Uint8Array>;
}

/** The member that closes an archive. */
export function endMember(record: EndRecord, records: Readonly<Record<string, string>>): TarMember {
  const body = Buffer.from(`${JSON.stringify(record)}\n`);
  return { name: END_MEMBER, bytes: body.length, records, body: only(body) };
}

type Entry = ReturnType<Pack['entry']>;

/**
 * The bytes of an archive of `members`. When they throw, what was yielded before is written whole, the archive is
 * closed, and the error is thrown on: a last member that tells of the failure still reaches the reader.
 * Memory: two chunks of a member.
 */
export async function* tarBytes(members: AsyncIterable<TarMember>): AsyncGenerator<Uint8Array> {
  const archive = pack();
  let failure: unknown;
  const feeding = feed(archive, members).then(
    () => archive.finalize(),
    (error: unknown) => {
      failure = error;
      archive.finalize();
    },
  );
  try {
    yield* archive as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw failure ?? error;
  } finally {
    archive.destroy();
  }
  await feeding;
  if (failure !== undefined) throw failure;
}

async function feed(archive: Pack, members: AsyncIterable<TarMember>): Promise<void> {
  for await (const { name, bytes, records, body } of members) {
    const pax = Object.fromEntries(Object.entries(records).map(([key, value]) => [PAX_PREFIX + key, value]));
    const header = { name, size: bytes, mode: 0o644, mtime: new Date(0), type: 'file' as const, pax };
    await new Promise<void>((resolve, reject) => {
      const entry = archive.entry(header, (error) => (error ? reject(error) : resolve()));
      fill(entry, body).catch((error: Error) => {
        entry.destroy(error);
        reject(error);
      });
    });
  }
}

async function fill(entry: Entry, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) {
    if (!entry.write(chunk)) await drained(entry);
  }
  entry.end(undefined);
}

function drained(entry: Entry): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => (): void => {
      entry.off('drain', onDrain);
      entry.off('close', onClose);
      done();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new Error('the archive was closed')));
    entry.on('drain', onDrain);
    entry.on('close', onClose);
  });
}

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
