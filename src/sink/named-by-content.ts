/**
 * One Parquet file whose name is made of its positions and its hash, which are known at its end only: it waits in
 * memory, and beyond 16 MiB in a file without a name, until it can be put under its own.
 */
import { createHash } from 'node:crypto';
import type { Member } from '../codec/member.js';
import { objectName } from '../object-name.js';
import type { Sink } from '../stage.js';
import { Spool } from './spool.js';
import type { Stored } from './stored.js';

/** @param open the sink for an object of that many bytes and that name */
export function namedByContent(
  member: Member,
  tempDir: string,
  open: (bytes: number, name: string) => Sink<Uint8Array, Stored>,
): Sink<Uint8Array, Stored> {
  return async (input, signal) => {
    const spool = new Spool(tempDir);
    const hash = createHash('sha256');
    try {
      for await (const chunk of input) {
        signal.throwIfAborted();
        hash.update(chunk);
        await spool.write(chunk);
      }
      const { provenance, rows = 0 } = member.about();
      const { from = null, to = null } = provenance ?? {};
      const name = objectName({ from, to, firstRow: 0, rows }, hash.digest('hex'));
      return await open(spool.bytes, name)(spool.read(), signal);
    } finally {
      await spool.discard();
    }
  };
}
