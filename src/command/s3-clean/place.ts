/** What both verbs of `s3-clean` take, and the folder they work on. */
import type { Invocation } from '../../cli/command.js';
import type { Flag } from '../../cli/flags.js';
import { Failure } from '../../errors.js';
import { isFolder, locationText, parseLocation } from '../../location.js';
import { storeNow } from '../../s3-clock.js';
import type { ObjectAccess } from '../../source/object.js';
import { WAREHOUSE_FLAGS } from '../warehouse.js';
import { WM_FLAGS } from '../wm/output.js';
import type { Judged } from './judge.js';

export const CLEAN_FLAGS: readonly Flag[] = [
  ...WM_FLAGS,
  {
    name: 'ledger',
    value: 'TABLE',
    many: true,
    help: 'a ledger of rs-copy in the warehouse: what it holds is loaded, also what no chain names',
  },
  ...WAREHOUSE_FLAGS,
];

/** The one operand: a folder; 64 for none, several, or a single object. */
export function folderOf({ operands }: Invocation, verb: string): string {
  const [url, ...more] = operands;
  if (url === undefined || more.length > 0) {
    throw new Failure('usage', url ? `one URL expected, got ${operands.length}` : 'no URL given', {
      hint: `Write: s3-clean ${verb} s3://bucket/prefix/.`,
    });
  }
  const location = parseLocation(url);
  if (!isFolder(location)) {
    // `s3://lake/in` would also be the beginning of `s3://lake/incremental/`.
    throw new Failure('usage', `${url} is not a folder`, { hint: `Write ${url}/, with the slash.` });
  }
  return locationText(location);
}

/** What time it is where the objects are. */
export async function clockOf(folder: string, access: ObjectAccess): Promise<() => number> {
  if (parseLocation(folder).scheme === 'file') return Date.now;
  const client = await access.s3();
  return () => storeNow(client);
}

/** The line of one object. */
export function recordOf({ uploadId, modified, ...judged }: Judged, now: number): object {
  const age_seconds = Math.max(0, Math.round((now - modified) / 1000));
  const upload = uploadId === undefined ? {} : { upload_id: uploadId };
  return { type: 'object', ...judged, modified: new Date(modified).toISOString(), age_seconds, ...upload };
}
