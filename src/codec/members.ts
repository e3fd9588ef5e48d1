/**
 * What arrives on the stdin of s3-put, told apart by its first bytes: a tar of objects, or one object. Each kind
 * must end the way it ends when its writer was not killed; what has no such end (CSV, JSON) is taken only when told to.
 */
import { cutShort, demandComplete, endRecordOfLine } from '../end-record.js';
import { Failure } from '../errors.js';
import { PROVENANCE_KEY, parseFileProvenance } from '../provenance.js';
import { ByteReader } from './byte-reader.js';
import type { About, Member, MemberItem, MemberOptions } from './member.js';
import { MAGIC } from './parquet-row-group.js';
import { Tail } from './tail.js';
import { BLOCK, isTarHeader } from './tar-header.js';
import { noted, tarMembers } from './tar-members.js';
import { WholeParquet } from './whole-parquet.js';

export type InputKind = 'tar' | 'parquet' | 'arrow' | 'ndjson' | 'other';

/** Yields every member of the input, then exactly one `end`. 82 for an input that ends before it is complete. */
export async function* members(input: AsyncIterable<Uint8Array>, options: MemberOptions): AsyncGenerator<MemberItem> {
  const reader = new ByteReader(input);
  const kind = kindOf(await reader.peek(BLOCK), options);
  if (kind === 'tar') return yield* tarMembers(reader, options);
  if (kind === 'other' && !options.allowUnterminated) {
    await reader.close();
    throw new Failure(
      'usage',
      'the input is neither tar, Parquet, Arrow nor NDJSON: nothing in it would say that it was cut',
      {
        hint: 'Add --allow-unterminated to take its end for granted.',
      },
    );
  }
  try {
    const member = single(kind, reader, options);
    yield { kind: 'member', member };
    await member.taken;
    yield { kind: 'end', record: undefined };
  } finally {
    await reader.close();
  }
}

function kindOf(head: Uint8Array, { allowUnterminated }: MemberOptions): InputKind {
  if (head.length === 0) throw cutShort('input', 0);
  const start = Buffer.from(head.subarray(0, 4));
  if (isTarHeader(head)) return 'tar';
  if (start.equals(MAGIC.subarray(0, start.length))) return 'parquet';
  if (start.readUInt8() === 0xff && start.every((byte) => byte === 0xff)) return 'arrow';
  // An archive of zero blocks holds nothing, and no end record.
  if (head.every((byte) => byte === 0)) throw cutShort('tar stream', 0);
  if (start.toString('latin1', 0, 1) === '{') return 'ndjson';
  // Less than a block and no line in it: more likely a tar that was cut in its first header than a short text.
  if (!allowUnterminated && head.length < BLOCK && !head.includes(10)) throw cutShort('input', 0);
  return 'other';
}

function single(kind: Exclude<InputKind, 'tar'>, reader: ByteReader, options: MemberOptions): Member {
  const about: About = { provenance: undefined, rows: undefined, until: undefined, runId: undefined };
  const parquet = new WholeParquet('the input');
  const through: Record<typeof kind, () => AsyncIterable<Uint8Array>> = {
    parquet: () => parquet.through(reader.remaining()),
    arrow: () => wholeArrow(reader.remaining(), options, about),
    ndjson: () => wholeNdjson(reader.remaining(), options, about),
    other: () => reader.remaining(),
  };
  const end = (): void => {
    if (!parquet.footer) return;
    about.provenance = parseFileProvenance(parquet.footer.keyValues.get(PROVENANCE_KEY));
    about.rows = parquet.footer.rows;
    about.until = about.provenance?.until ?? undefined;
  };
  let release = (): void => {};
  const taken = new Promise<void>((resolve) => (release = resolve));
  const body = noted(through[kind](), end, release);
  return { name: undefined, nameable: kind === 'parquet', bytes: undefined, body, taken, about: () => about };
}

/** Arrow bytes as they are; their framing is followed and their end record demanded. Memory: one message. */
async function* wholeArrow(input: AsyncIterable<Uint8Array>, options: MemberOptions, about: About) {
  // The Arrow library is half of what s3-put would load.
  const { arrowFrames } = await import('./arrow-frames.js');
  const seen: Uint8Array[] = [];
  const watched = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of input) {
      seen.push(chunk);
      yield chunk;
    }
  };
  const { signal } = new AbortController();
  let rows = 0;
  for await (const item of arrowFrames(options)(watched(), signal)) {
    if (item.kind === 'batch') rows += item.rows;
    yield* seen.splice(0);
  }
  yield* seen.splice(0);
  about.rows = rows;
}

/** Longest last line that can be an end record. */
const END_LINE_BYTES = 1 << 20;

/** NDJSON bytes as they are; their last line must be the end record. */
async function* wholeNdjson(input: AsyncIterable<Uint8Array>, options: MemberOptions, about: About) {
  const tail = new Tail(END_LINE_BYTES);
  let lines = 0;
  for await (const chunk of input) {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
    tail.push(chunk);
    yield chunk;
  }
  const text = tail.last(END_LINE_BYTES);
  const whole = text.at(-1) === 10;
  const record = whole ? endRecordOfLine(text.toString('utf8', text.lastIndexOf(10, -2) + 1)) : undefined;
  if (record) demandComplete(record, lines - 1);
  else if (!options.allowUnterminated) throw cutShort('NDJSON stream', lines);
  about.rows = record?.rows;
}
