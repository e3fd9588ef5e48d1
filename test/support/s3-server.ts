/** The S3 store of the tests: Ceph where it can be had, else a double behind a guard, and the output says which. */
import { join } from 'node:path';
import { startCeph } from './ceph.js';
import { startGuardedDouble } from './guarded-double.js';
import type { Server, ServerSettings } from './server.js';

export interface S3Server extends Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whether objects are still there after `kill` and `restart`. */
  readonly keepsData: boolean;
}

/** `double` chooses the small store without trying for the real one. */
export async function startS3(settings: ServerSettings & { double?: boolean }): Promise<S3Server> {
  if (settings.double) return startGuardedDouble(settings);
  try {
    return await startCeph({ ...settings, folder: join(settings.folder, 'ceph') });
  } catch (error) {
    settings.say(`no Ceph here, so S3 is a double in memory: ${String(error).split('\n').slice(0, 2).join(' ')}`);
    return startGuardedDouble(settings);
  }
}
