/** The objects receipts speak of, seen again: what the watermark chain asks, answered by the stores. Reads only. */
import { crc32 } from 'node:zlib';
import type { Look, Objects } from '../watermark/objects.js';
import { listObjects } from './listing.js';
import { type ObjectAccess, type StoredObject, lookAtObject, openObject } from './object.js';

export class StoredObjects implements Objects {
  constructor(private readonly access: ObjectAccess) {}

  look(url: string): Promise<Look | undefined> {
    return lookAtObject(url, this.access);
  }

  async checksum(url: string): Promise<string> {
    return this.with(url, async (object) => {
      let sum = 0;
      for await (const chunk of object.stream()) sum = crc32(chunk, sum);
      return sum.toString(16).padStart(8, '0');
    });
  }

  lastBytes(url: string, size: number, count: number): Promise<Buffer> {
    return this.with(url, (object) => object.read(Math.max(0, size - count), size));
  }

  async *below(folder: string): AsyncGenerator<string> {
    for await (const { url } of listObjects(folder, this.access)) yield url;
  }

  private async with<T>(url: string, use: (object: StoredObject) => Promise<T>): Promise<T> {
    const object = await openObject(url, this.access);
    try {
      return await use(object);
    } finally {
      await object.close();
    }
  }
}
