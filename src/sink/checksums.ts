/**
 * Which checksum goes with an object, and how a store is asked to prove it. CRC-32 of parts and of the whole, sent as
 * headers (never as trailers of a chunked body, which R2, B2 and others refuse): reference/reliability.md section 2.
 */
import type { ChecksumAlgorithm, CompletedPart } from '@aws-sdk/client-s3';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { httpStatus, isDamaged } from '../s3-failure.js';

export const CHECKSUM_MODES = ['auto', 'crc32', 'crc64nvme', 'none'] as const;
export type ChecksumMode = (typeof CHECKSUM_MODES)[number];

/** A checksum that grows with the bytes; CRC-32 is always kept, the receipt carries it. */
export class Sum {
  crc32 = 0;

  update(bytes: Uint8Array): this {
    this.crc32 = crc32(bytes, this.crc32);
    return this;
  }
}

export function base64Of(sum: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(sum);
  return bytes.toString('base64');
}

/** The choice of one program run: `auto` begins with CRC-32 and gives it up once, for good, on a store that refuses it. */
export class Checksums {
  /** What is sent at the moment; `md5` is what every store knows. */
  private way: 'crc32' | 'crc64nvme' | 'none' | 'md5';

  constructor(
    private readonly mode: ChecksumMode,
    private readonly onGivenUp: () => void = () => {},
  ) {
    this.way = mode === 'auto' ? 'crc32' : mode;
  }

  /** True when bodies go with a checksum. */
  get sent(): boolean {
    return this.way !== 'none';
  }

  /** True when something else can be tried. */
  giveUp(): boolean {
    if (this.mode !== 'auto' || this.way === 'md5') return false;
    this.way = 'md5';
    this.onGivenUp();
    return true;
  }

  ofUpload(): { ChecksumAlgorithm?: ChecksumAlgorithm; ChecksumType?: 'FULL_OBJECT' } {
    if (this.way === 'crc32') return { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' };
    return this.way === 'crc64nvme' ? { ChecksumAlgorithm: 'CRC64NVME', ChecksumType: 'FULL_OBJECT' } : {};
  }

  /** The algorithm goes with the value: a store that is not told the algorithm may ignore the value. */
  ofPart(body: Uint8Array, sum: Sum): PartChecksum {
    if (this.way === 'crc32') return { ChecksumAlgorithm: 'CRC32', ChecksumCRC32: base64Of(sum.crc32) };
    // The client computes this one.
    if (this.way === 'crc64nvme') return { ChecksumAlgorithm: 'CRC64NVME' };
    return this.way === 'md5' ? { ContentMD5: createHash('md5').update(body).digest('base64') } : {};
  }

  ofCompletedPart({ ChecksumCRC32 }: PartChecksum): Partial<CompletedPart> {
    return ChecksumCRC32 === undefined ? {} : { ChecksumCRC32 };
  }

  ofWhole(sum: Sum, bytes: number): object {
    if (this.way === 'crc32') {
      return { ChecksumCRC32: base64Of(sum.crc32), ChecksumType: 'FULL_OBJECT', MpuObjectSize: bytes };
    }
    return this.way === 'crc64nvme' ? { ChecksumType: 'FULL_OBJECT', MpuObjectSize: bytes } : {};
  }
}

export interface PartChecksum {
  ChecksumAlgorithm?: ChecksumAlgorithm;
  ChecksumCRC32?: string;
  ContentMD5?: string;
}

/** True when a store says that it does not know a checksum header, in one of the ways stores say it. */
export function refusesChecksums(error: unknown): boolean {
  const status = httpStatus(error);
  const { name = '', message = '' } = (error ?? {}) as { name?: string; message?: string };
  if (isDamaged(error) || (status !== 400 && status !== 501)) return false;
  return name === 'NotImplemented' || /checksum|unsupported header|not implemented/i.test(message);
}
