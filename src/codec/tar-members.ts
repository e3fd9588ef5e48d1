/**
 * A tar stream, one member at a time. The last member, `_end.json`, is the end record: without it, and without the
 * two zero blocks that close every archive, the stream was cut (82). Members before a cut are complete and were
 * handed out as such. Memory: one chunk, and the last bytes of one member.
 */
import { type EndRecord, checkedEndRecord, cutShort, demandComplete } from '../end-record.js';
import { Failure } from '../errors.js';
import { PROVENANCE_KEY, type ReadKind, parseFileProvenance } from '../provenance.js';
import type { ByteReader } from './byte-reader.js';
import type { About, Member, MemberItem, MemberOptions } from './member.js';
import { BLOCK, type TarHeader, isZero, paxRecords, tarHeader } from './tar-header.js';
import { END_MEMBER, PAX_PREFIX } from './tar-writer.js';
import { WholeParquet } from './whole-parquet.js';

/** Largest extended header or end record accepted. */
const SMALL_BYTES = 4 << 20;

/** Yields every member, then exactly one `end`; anything else throws: 82 for a cut, 65 for damage. */
export async function* tarMembers(reader: ByteReader, options: MemberOptions): AsyncGenerator<MemberItem> {
  const tar = new Tar(reader);
  try {
    for (;;) {
      const next = await tar.next();
      if (next === undefined) {
        if (!options.allowUnterminated) throw cutShort('tar stream', tar.rows);
        return yield { kind: 'end', record: undefined };
      }
      if (next.name === END_MEMBER) {
        const record = await tar.endRecord(next);
        await tar.closing();
        demandComplete(record, tar.rows);
        const read = next.pax.get(`${PAX_PREFIX}read`) as ReadKind | undefined;
        return yield { kind: 'end', record: { ...record, ...(read === undefined ? {} : { read }) } };
      }
      const member = tar.member(next);
      yield { kind: 'member', member };
      await member.taken;
      await tar.leave(next);
    }
  } finally {
    await reader.close();
  }
}

interface Entry extends TarHeader {
  pax: ReadonlyMap<string, string>;
}

class Tar {
  /** Rows of the members read so far. */
  rows = 0;
  /** Body bytes of the current member that were not taken yet. */
  private left = 0;

  constructor(private readonly reader: ByteReader) {}

  /** The next regular file, or undefined after the closing blocks. */
  async next(): Promise<Entry | undefined> {
    let pax: ReadonlyMap<string, string> = new Map();
    let longName: string | undefined;
    for (;;) {
      const block = await this.block();
      if (isZero(block)) {
        await this.zeros(1);
        return undefined;
      }
      const header = tarHeader(block);
      if (header.kind === 'pax') pax = paxRecords(await this.small(header));
      else if (header.kind === 'long-name') longName = (await this.small(header)).toString('utf8').replace(/\0+$/, '');
      else if (header.kind === 'global-pax') await this.small(header);
      else if (header.kind === 'folder') pax = new Map();
      else if (header.kind === 'other')
        throw new Failure('data', `${header.name}: the tar holds more than plain files`);
      else return this.entry(header, pax, longName);
    }
  }

  private entry(header: TarHeader, pax: ReadonlyMap<string, string>, longName: string | undefined): Entry {
    const bytes = Number(pax.get('size') ?? header.bytes);
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new Failure('data', `${header.name}: its size is no number`);
    this.left = bytes;
    return { ...header, name: pax.get('path') ?? longName ?? header.name, bytes, pax };
  }

  member({ name, bytes, pax }: Entry): Member {
    const path = safeName(name);
    const rows = pax.get(`${PAX_PREFIX}rows`);
    const provenance = parseFileProvenance(pax.get(`${PAX_PREFIX}provenance`));
    // Our own names end in the hash of the content: damage on the way through the pipe is noticed here.
    const hash = rows === undefined ? undefined : /-([0-9a-f]{16})\.parquet$/.exec(path)?.[1];
    const parquet = path.endsWith('.parquet') ? new WholeParquet(path, hash) : undefined;
    let release = (): void => {};
    const taken = new Promise<void>((resolve) => (release = resolve));
    const checked = parquet ? parquet.through(this.body()) : this.body();
    const about = (): About => ({
      provenance: provenance ?? parseFileProvenance(parquet?.footer?.keyValues.get(PROVENANCE_KEY)),
      rows: rows === undefined ? parquet?.footer?.rows : Number(rows),
      until: pax.get(`${PAX_PREFIX}until`),
      runId: pax.get(`${PAX_PREFIX}run_id`),
    });
    const count = (): void => {
      const counted = parquet?.footer?.rows;
      if (rows !== undefined && counted !== undefined && counted !== Number(rows)) {
        throw new Failure('data', `${path}: its header counts ${rows} rows, its footer ${counted}`);
      }
      this.rows += Number(rows ?? counted ?? 0);
    };
    return { name: path, nameable: false, bytes, body: noted(checked, count, release), taken, about };
  }

  /** What nobody took of a member, and the padding after it. */
  async leave({ bytes }: Entry): Promise<void> {
    for await (const _ of this.body());
    await this.padding(bytes);
  }

  /** The end record in its member. */
  async endRecord(entry: Entry): Promise<EndRecord> {
    const bytes = await this.small(entry);
    try {
      return checkedEndRecord(JSON.parse(bytes.toString('utf8')));
    } catch (cause) {
      throw new Failure('data', 'the end record of the tar stream is damaged', { cause });
    }
  }

  /** After the end record: two zero blocks, more zeros, and nothing else. */
  async closing(): Promise<void> {
    await this.zeros(2);
  }

  private async zeros(blocks: number): Promise<void> {
    for (let count = 0; count < blocks; count += 1) {
      if (!isZero(await this.block())) throw new Failure('data', 'something follows the end of the tar stream');
    }
    for await (const chunk of this.reader.remaining()) {
      if (!isZero(chunk)) throw new Failure('data', 'there are bytes after the end of the tar stream');
    }
  }

  private async *body(): AsyncGenerator<Uint8Array> {
    while (this.left > 0) {
      const chunk = await this.reader.chunk(this.left);
      if (!chunk) throw cutShort('tar stream', this.rows);
      this.left -= chunk.length;
      yield chunk;
    }
  }

  /** A whole small member in memory, with its padding. */
  private async small({ name, bytes }: TarHeader): Promise<Buffer> {
    if (bytes > SMALL_BYTES) throw new Failure('data', `${name}: an extended header of ${bytes} bytes`);
    const content = Buffer.alloc(bytes);
    if ((await this.reader.fill(content)) < bytes) throw cutShort('tar stream', this.rows);
    await this.padding(bytes);
    return content;
  }

  private async padding(bytes: number): Promise<void> {
    const rest = new Uint8Array((BLOCK - (bytes % BLOCK)) % BLOCK);
    if ((await this.reader.fill(rest)) < rest.length) throw cutShort('tar stream', this.rows);
  }

  private async block(): Promise<Uint8Array> {
    const block = new Uint8Array(BLOCK);
    if ((await this.reader.fill(block)) < BLOCK) throw cutShort('tar stream', this.rows);
    return block;
  }
}

/** The same bytes; `end` is called after the last of them, `release` however it ends. */
export async function* noted(
  input: AsyncIterable<Uint8Array>,
  end: () => void,
  release: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* input;
    end();
  } finally {
    release();
  }
}

/** A name that stays below the folder it is put into; 65 for any other. */
function safeName(name: string): string {
  const path = name.replace(/^(?:\.\/)+/, '');
  const segments = path.split('/');
  if (path === '' || segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new Failure('data', `the tar holds a member named ${JSON.stringify(name)}, which leaves its folder`);
  }
  return path;
}
