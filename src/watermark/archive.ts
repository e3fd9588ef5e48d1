/**
 * The packs that pruning made of old generations: `_packed/0000001000.json` holds the generations up to 1000, one
 * file's text a line, to the byte. History, audit, backup and restore read them as if they were still in place.
 */
import { Failure } from '../errors.js';
import { type Generation, parseGeneration } from './generation.js';
import { type WatermarkStore, generationName, generationOfName } from './store.js';
import type { Newest } from './tail.js';

export class Archive {
  private readonly folder: string;
  /** The pack read last: a walk backwards asks for its generations one by one. */
  private last: { name: string; files: readonly Newest[] } | undefined;

  constructor(
    private readonly store: WatermarkStore,
    tableFolder: string,
    private readonly signal: AbortSignal,
  ) {
    this.folder = `${tableFolder}/_packed`;
  }

  /** Every packed file, oldest first; one pack in memory, at most 16 MiB. */
  async *files(): AsyncGenerator<Newest> {
    let after = 0;
    for await (const name of this.packs('')) {
      // A prune that was killed and repeated may have left a generation in two packs.
      for (const file of await this.pack(name)) {
        if (file.generation > after) yield file;
        after = Math.max(after, file.generation);
      }
    }
  }

  /** One packed file; undefined when no pack holds it. Two requests, or none when its pack was read last. */
  async file(generation: number): Promise<Uint8Array | undefined> {
    const found = this.last?.files.find((one) => one.generation === generation);
    if (found) return found.bytes;
    for await (const name of this.packs(generationName(generation - 1))) {
      return (await this.pack(name)).find((one) => one.generation === generation)?.bytes;
    }
    return undefined;
  }

  private async *packs(after: string): AsyncGenerator<string> {
    for (let from = after; ; ) {
      const { entries, more } = await this.store.list(this.folder, from, this.signal);
      for (const { name } of entries) {
        from = name;
        if (generationOfName(name) !== undefined) yield name;
      }
      if (!more) return;
    }
  }

  private async pack(name: string): Promise<readonly Newest[]> {
    if (this.last?.name === name) return this.last.files;
    const bytes = (await this.store.read(`${this.folder}/${name}`, this.signal)) ?? Buffer.of();
    const lines = Buffer.from(bytes)
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
    const files = lines.map((line) => packedFile(line, `${this.store.url}${this.folder}/${name}`));
    this.last = { name, files };
    return files;
  }
}

/** The line of a file in a pack. */
export function packedLine(bytes: Uint8Array): string {
  return `${JSON.stringify(Buffer.from(bytes).toString('utf8'))}\n`;
}

function packedFile(line: string, pack: string): Newest {
  try {
    const text = JSON.parse(line) as string;
    return { generation: Number(/\n {2}"generation": ([0-9]+)/.exec(text)?.[1]), bytes: Buffer.from(text) };
  } catch (cause) {
    throw new Failure('data', `${pack} is damaged`, {
      cause,
      hint: 'Only the history is affected, not the watermark.',
    });
  }
}

/** The checked generations of some files. */
export async function* parsed(files: AsyncIterable<Newest>, table: string): AsyncGenerator<Generation> {
  for await (const { generation, bytes } of files) yield parseGeneration(bytes, table, generation).doc;
}
