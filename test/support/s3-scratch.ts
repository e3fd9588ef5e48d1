/** A corner of the test bucket behind a proxy with faults: for tests of what writes, reads and cleans objects. */
import { randomBytes } from 'node:crypto';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { connectS3 } from '../../src/connect/s3.js';
import { Checksums, type ChecksumMode } from '../../src/sink/checksums.js';
import { type S3ObjectOptions, s3Object } from '../../src/sink/s3-object.js';
import { type ObjectOptions, S3Requests } from '../../src/sink/s3-requests.js';
import { Traffic, type TrafficOptions } from '../../src/sink/traffic.js';
import type { Sink } from '../../src/stage.js';
import type { Stored } from '../../src/sink/stored.js';
import { type S3Proxy, startS3Proxy } from './s3-proxy.js';
import { servers } from './servers.js';

export const MIB = 1 << 20;

export interface SinkSettings extends Partial<S3ObjectOptions>, Partial<TrafficOptions>, Partial<ObjectOptions> {
  checksum?: ChecksumMode;
  /** Shared with other sinks, or looked at. */
  traffic?: Traffic;
}

export class S3Scratch {
  private names = 0;

  private constructor(
    readonly faults: S3Proxy,
    /** Through the proxy. */
    readonly client: S3Client,
    /** Past the proxy. */
    readonly direct: S3Client,
    readonly bucket: string,
    readonly prefix: string,
    /** What a program needs to go through the proxy. */
    readonly env: Record<string, string>,
  ) {}

  static async open(idleMs = 1_000): Promise<S3Scratch> {
    const { aws: env, bucket } = servers();
    const faults = await startS3Proxy({ to: env.AWS_ENDPOINT_URL ?? '' });
    // The client takes credentials from the process, as every AWS client does.
    for (const [name, value] of Object.entries(env)) process.env[name] ??= value;
    const client = await connectS3(env, { endpoint: faults.url, checksums: 'required', idleMs });
    const direct = await connectS3(env);
    const prefix = `scratch-${randomBytes(6).toString('hex')}/`;
    return new S3Scratch(faults, client, direct, bucket, prefix, { ...env, AWS_ENDPOINT_URL: faults.url });
  }

  async close(): Promise<void> {
    this.client.destroy();
    this.direct.destroy();
    await this.faults.close();
  }

  get url(): string {
    return `s3://${this.bucket}/${this.prefix}`;
  }

  /** A key nobody used. */
  key(): string {
    this.names += 1;
    return `${this.prefix}${String(this.names).padStart(6, '0')}`;
  }

  /** The sink of s3-put, with small parts and little patience unless told otherwise. */
  sink(key: string, settings: SinkSettings = {}): Sink<Uint8Array, Stored> {
    const { partBytes = 5 * MIB, retryMs = 20_000, bytes } = settings;
    const traffic = settings.traffic ?? this.traffic(settings);
    const { storageClass, sse, kmsKeyId, tags } = settings;
    const requests = new S3Requests(
      this.client,
      { bucket: this.bucket, key },
      { storageClass, sse, kmsKeyId, tags },
      new Checksums(settings.checksum ?? 'auto'),
      traffic,
    );
    const { onRetry, onLeft, oldMs, settleMs } = settings;
    return s3Object(requests, traffic, {
      partBytes,
      bytes,
      retryMs,
      ...(oldMs === undefined ? {} : { oldMs }),
      ...(settleMs === undefined ? {} : { settleMs }),
      ...(onRetry ? { onRetry } : {}),
      ...(onLeft ? { onLeft } : {}),
    });
  }

  traffic({ concurrency = 3, partBytes = 5 * MIB, bytesPerSecond }: SinkSettings = {}): Traffic {
    return new Traffic({ concurrency, partBytes, bytesPerSecond });
  }

  /** Puts an object under a new key; resolves to its URL. */
  async stored(bytes: Uint8Array): Promise<string> {
    const key = this.key();
    await this.sink(key)(chunksOf(bytes), new AbortController().signal);
    return `s3://${this.bucket}/${key}`;
  }

  async content(key: string): Promise<Buffer | undefined> {
    try {
      const { Body } = await this.direct.send(new GetObjectCommand({ Bucket: this.bucket, Key: key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if ((error as { name?: string }).name === 'NoSuchKey') return undefined;
      throw error;
    }
  }

  head(key: string) {
    return this.direct.send(new HeadObjectCommand({ Bucket: this.bucket, Key: key, ChecksumMode: 'ENABLED' }));
  }

  /** Keys below the prefix. */
  async keys(below = ''): Promise<string[]> {
    const command = new ListObjectsV2Command({ Bucket: this.bucket, Prefix: this.prefix + below });
    return ((await this.direct.send(command)).Contents ?? []).map(({ Key }) => Key ?? '');
  }

  /** Unfinished uploads below the prefix. */
  async uploads(): Promise<string[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: this.prefix });
    return ((await this.direct.send(command)).Uploads ?? []).map(({ Key }) => Key ?? '');
  }
}

/** Bytes in chunks as a pipe delivers them. */
export async function* chunksOf(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
