/** One object to be, as it comes out of a stream: its name, its bytes once, and what is known about its rows. */
import type { EndRecord } from '../end-record.js';
import type { FileProvenance } from '../provenance.js';

export interface Member {
  /** Undefined when the stream does not say: an explicit destination, or a name made of the content, takes its place. */
  name: string | undefined;
  /** True for a whole Parquet file: its name can be made of its content. */
  nameable: boolean;
  /** Undefined when only the end of the stream tells. */
  bytes: number | undefined;
  /**
   * The bytes, to be read once and to the end. Throws where they are not complete: a sink that has seen the end
   * of it has seen a whole object.
   */
  body: AsyncGenerator<Uint8Array>;
  /** Resolves when the body was read to its end or given up: the stream can go on. */
  taken: Promise<void>;
  /** What the object is about; only after its body was read. */
  about(): About;
}

export interface About {
  /** Undefined for objects of other programs. */
  provenance: FileProvenance | undefined;
  /** Undefined when nobody counted. */
  rows: number | undefined;
  /** Upper bound of the read as MySQL text, when the stream says it. */
  until: string | undefined;
  /** The run that read the rows, when the stream says it. */
  runId: string | undefined;
}

export type MemberItem = { kind: 'member'; member: Member } | { kind: 'end'; record: EndRecord | undefined };

export interface MemberOptions {
  /** Accepts a stream of another program, which has no end record. */
  allowUnterminated: boolean;
}
