/** The small S3 store: fauxqs, which keeps objects in memory, behind the guard that makes it honest. A process of its own. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFauxqs } from 'fauxqs';
import { type Daemon, startDaemon } from './daemon.js';
import { answers, freePort } from './port.js';
import { startGuard } from './s3-guard.js';
import type { S3Server } from './s3-server.js';
import { type ServerSettings, soleProcess } from './server.js';

const here = fileURLToPath(import.meta.url);

/** Starts it; half a second. Killed, it forgets every object, and it accepts any signature. */
export async function startGuardedDouble({ folder, outlives = false }: ServerSettings): Promise<S3Server> {
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const start = (): Promise<Daemon> =>
    startDaemon({
      name: 'fauxqs with a guard',
      command: [process.execPath, here, String(port)],
      cwd: folder,
      log: join(folder, 'fauxqs.log'),
      ready: () => answers(port),
      outlives,
    });
  const running = await soleProcess(start);
  return {
    label: 'fauxqs with a guard (a double in memory)',
    port,
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: 'tablepipe',
    secretAccessKey: 'tablepipe-secret',
    keepsData: false,
    ...running,
  };
}

if (process.argv[1] === here) {
  const store = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
  await startGuard({ upstreamPort: store.port, port: Number(process.argv[2]) });
}
