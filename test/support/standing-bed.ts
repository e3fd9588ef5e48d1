/** The servers `make up` leaves standing: written down in .run, found again, stopped. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bed } from './bed.js';

const place = fileURLToPath(new URL('../../../.run', import.meta.url));
const record = join(place, 'servers.json');

interface Standing {
  folder: string;
  labels: readonly string[];
  processes: readonly { pid: number; born: string }[];
}

/** When a process began, in ticks since boot; a pid alone may belong to another process by now. */
function birthOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function read(): Standing | undefined {
  return existsSync(record) ? (JSON.parse(readFileSync(record, 'utf8')) as Standing) : undefined;
}

const alive = ({ processes }: Standing) => processes.filter(({ pid, born }) => born !== '' && birthOf(pid) === born);

/** The labels of the servers, when every one of them is still running. */
export function standingServers(): readonly string[] | undefined {
  const standing = read();
  return standing && alive(standing).length === standing.processes.length ? standing.labels : undefined;
}

/** Writes `.run/env`, a shell file of exports, and what `stopStanding` needs. */
export function writeStanding(bed: Bed): void {
  const processes = bed.pids.map((pid) => ({ pid, born: birthOf(pid) }));
  mkdirSync(place, { recursive: true });
  const { env } = bed;
  const twins = {
    TABLEPIPE_TEST_MYSQL_URL: env.TABLEPIPE_MYSQL_URL,
    TABLEPIPE_TEST_WAREHOUSE_URL: env.TABLEPIPE_WAREHOUSE_URL,
    TABLEPIPE_TEST_S3_ENDPOINT: env.AWS_ENDPOINT_URL,
    TABLEPIPE_TEST_S3_BUCKET: env.TABLEPIPE_BUCKET,
  };
  const lines = Object.entries({ ...env, ...twins }).map(([name, value]) => `export ${name}='${value}'\n`);
  writeFileSync(join(place, 'env'), lines.join(''), { mode: 0o600 });
  writeFileSync(record, JSON.stringify({ folder: bed.folder, labels: bed.labels, processes } satisfies Standing));
}

/** Ends the servers, removes their data and `.run`; says whether there was anything. */
export async function stopStanding(): Promise<boolean> {
  const standing = read();
  if (!standing) return false;
  // The gateway of the store and the databases stop on SIGKILL as well as on anything: their data goes now.
  for (const { pid } of alive(standing)) process.kill(pid, 'SIGKILL');
  while (alive(standing).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  rmSync(standing.folder, { recursive: true, force: true, maxRetries: 5 });
  rmSync(place, { recursive: true, force: true });
  return true;
}
